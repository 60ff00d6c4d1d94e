/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/svg_view.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "client/flamegraph/picture.h"
#include "client/flamegraph/xml.h"
#include "client/formats/profile_stacks.h"

static void set_text(json_t *view, const char *name, const char *text)
{
	/* NULL where the text is not UTF-8: the script then has a default. */
	json_object_set_new(view, name, json_string(text ? text : ""));
}

static void set_number(json_t *view, const char *name, double value)
{
	json_object_set_new(view, name, json_real(value));
}

static void set_flag(json_t *view, const char *name, int value)
{
	json_object_set_new(view, name, json_boolean(value));
}

/* What the script needs of the attributes of frames, by name. */
static json_t *list_attributes(const struct picture *picture)
{
	static const enum name_attribute wanted[] = {ATTRIBUTE_HREF, ATTRIBUTE_TARGET,
						     ATTRIBUTE_TITLE, ATTRIBUTE_CLASS};
	json_t *attributes = json_object();

	for (uint32_t i = 1; i < picture->layout.count && picture->attributes.rows; i++) {
		size_t length;
		const char *name = picture_name(picture, i, &length);
		_cleanup_free_ char *key = memory_copy_text(name, length);
		json_t *values = json_object();

		for (size_t k = 0; k < ARRAY_SIZE(wanted); k++) {
			const char *value = picture_attribute(picture, i, wanted[k]);

			if (value)
				set_text(values, name_attribute_key(wanted[k]), value);
		}
		if (json_object_size(values))
			json_object_set_new(attributes, key, values);
		else
			json_decref(values);
	}
	return attributes;
}

static void set_options(json_t *view, const struct flamegraph_options *options)
{
	set_text(view, "palette", options->colors);
	set_text(view, "cut", options->cut_side);
	set_text(view, "nameType", options->name_type);
	set_number(view, "width", options->width);
	set_number(view, "frameHeight", options->frame_height);
	set_number(view, "minWidth", options->min_width);
	set_flag(view, "minWidthIsPercent", options->min_width_is_percent);
	set_number(view, "fontSize", options->font_size);
	set_number(view, "factor", options->factor);
	set_number(view, "total", options->total);
	set_flag(view, "reverse", options->reverse);
	set_flag(view, "inverted", options->inverted);
	set_flag(view, "flamechart", options->flamechart);
	set_flag(view, "negate", options->negate);
	set_flag(view, "chain", strcmp(options->colors, "chain") == 0);
	set_flag(view, "compareShares", options->compare_shares);
	set_number(view, "widthBy", options->width_by);
}

/* What happened one after the other: row, value, row, value, … */
static json_t *list_order(const struct picture *picture, const uint32_t *rows)
{
	json_t *order = json_array();

	for (uint32_t i = 0; i < picture->list->stack_count; i++) {
		if (rows[i] == PROFILE_NO_ROW)
			continue;
		json_array_append_new(order, json_integer((json_int_t)rows[i]));
		json_array_append_new(order,
				      json_real(picture->list->stacks[i].values[STACK_BEFORE]));
	}
	return order;
}

void svg_view_write(const struct picture *picture, const struct stack_levels *levels,
		    const uint32_t *rows, FILE *file)
{
	const struct flamegraph_options *options = picture->options;
	json_t *view = json_object();
	int by_kind = strcmp(options->colors, "kind") == 0 && !options->hash && !options->random &&
		      !options->color_map;

	set_options(view, options);
	set_text(view, "countName", picture->count_name);
	set_text(view, "unit", picture->list->unit_name);
	set_number(view, "top", picture->top);
	set_number(view, "bottom", picture->bottom);
	set_number(view, "side", picture->side);
	set_flag(view, "byProcess", levels->by_process);
	set_flag(view, "byThread", levels->by_thread);
	set_flag(view, "isDifference", picture->list->has_two);
	if (picture->difference.count) {
		set_number(view, "significance", options->significance);
		json_object_set_new(view, "sampleValues",
				    json_pack("[ff]",
					      stack_list_sample_value(picture->list, STACK_BEFORE),
					      stack_list_sample_value(picture->list, STACK_AFTER)));
	}
	if (rows)
		json_object_set_new(view, "order", list_order(picture, rows));
	if (picture->attributes.rows)
		json_object_set_new(view, "attributes", list_attributes(picture));
	set_flag(view, "hasOwnColors", !by_kind && !picture->list->has_two);
	char *text = json_dumps(view, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));
	fputs("<metadata id=\"flame-view\">", file);
	xml_write_json(text ? text : "{}", file);
	fputs("</metadata>\n", file);
	free(text);
	json_decref(view);
}
