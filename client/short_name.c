/* SPDX-License-Identifier: Apache-2.0 */
#include "client/short_name.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "common/text.h"

#define ELLIPSIS "\xe2\x80\xa6" /* U+2026 */

/* Whether text, which lies in name, follows word there. */
static int follows(const char *name, const char *text, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(text - name) >= length && strncmp(text - length, word, length) == 0;
}

/* Whether a '<' or '>' at text belongs to the name of an operator, or is an arrow. */
static int is_operator(const char *name, const char *text)
{
	return follows(name, text, "operator") || follows(name, text, "operator<") ||
	       follows(name, text, "operator>") || follows(name, text, "operator<=") ||
	       follows(name, text, "-");
}

/* Owned (free). */
static char *fold_arguments(const char *name)
{
	/* A bracket that is never closed has an ellipsis behind it, too. */
	char *folded = memory_new((1 + strlen(ELLIPSIS)) * strlen(name) + 1);
	size_t length = 0;
	int depth = 0;

	for (const char *text = name; *text; text++) {
		int is_bracket = (*text == '<' || *text == '>') && !is_operator(name, text);

		if (is_bracket && *text == '>' && depth > 0)
			depth--;
		if (depth == 0)
			folded[length++] = *text;
		if (is_bracket && *text == '<' && depth++ == 0) {
			memcpy(folded + length, ELLIPSIS, strlen(ELLIPSIS));
			length += strlen(ELLIPSIS);
		}
	}
	folded[length] = 0;
	return folded;
}

char *short_name(const char *name, size_t columns)
{
	_cleanup_free_ char *folded = NULL;

	if (!columns || text_columns(name) <= columns)
		return memory_format("%s", name);
	folded = fold_arguments(name);
	return text_copy_columns(folded, columns, 1);
}
