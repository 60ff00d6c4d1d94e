/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/xml.h"

#include <string.h>

#include "common/utf8.h"

static const char *const entities[128] = {
	['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
};

static int is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && !entities[c];
}

/* What a character that is not plain ASCII becomes; NULL: itself. */
static const char *replace(size_t size, uint32_t code_point)
{
	if (!size || code_point == 0xfffe || code_point == 0xffff)
		return UTF8_REPLACEMENT;
	if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0))
		return " ";
	return code_point < 0x80 ? entities[code_point] : NULL;
}

void xml_write(const char *text, size_t length, FILE *file)
{
	const char *end = text + length;

	while (text < end) {
		const char *plain = text;
		uint32_t code_point = 0;

		while (text < end && is_plain((unsigned char)*text))
			text++;
		fwrite_unlocked(plain, 1, (size_t)(text - plain), file);
		if (text == end)
			break;
		size_t size = utf8_read(text, (size_t)(end - text), &code_point);
		const char *replacement = replace(size, code_point);
		if (replacement)
			fputs_unlocked(replacement, file);
		else
			fwrite_unlocked(text, 1, size, file);
		text += size ? size : 1;
	}
}

void xml_write_text(const char *text, FILE *file)
{
	xml_write(text, strlen(text), file);
}

void xml_write_json(const char *json, FILE *file)
{
	for (; *json; json++) {
		if (*json == '<' || *json == '>' || *json == '&')
			fprintf(file, "\\u%04x", (unsigned int)*json);
		else
			putc_unlocked(*json, file);
	}
}
