/* SPDX-License-Identifier: Apache-2.0 */
#include "client/short_name.h"

#include "common/cleanup.h"
#include "common/memory.h"
#include "common/text.h"
#include "tests/unit/cmocka_all.h"

static void names_fit_the_columns_that_there_are(void **state)
{
	static const struct {
		const char *name;
		size_t columns;
		const char *wanted;
	} cases[] = {
		{"main", 80, "main"},
		{"main", 0, "main"},
		{"std::vector<int, std::allocator<int> >::push_back", 0,
		 "std::vector<int, std::allocator<int> >::push_back"},
		{"std::vector<int, std::allocator<int> >::push_back", 80,
		 "std::vector<int, std::allocator<int> >::push_back"},
		{"std::vector<int, std::allocator<int> >::push_back", 40,
		 "std::vector<\u2026>::push_back"},
		{"a<b<c>, d>::f<g<h> >::i", 20, "a<\u2026>::f<\u2026>::i"},
		{"n::operator<< <std::char_traits<char> >", 30, "n::operator<< <\u2026>"},
		{"n::operator-><std::char_traits<char> >", 30, "n::operator-><\u2026>"},
		{"n::operator>>=<std::char_traits<char> >", 30, "n::operator>>=<\u2026>"},
		{"n::operator<=><std::char_traits<char> >", 30, "n::operator<=><\u2026>"},
		{"std::vector<int, std::allocator<int> >::push_back", 11, "\u2026:push_back"},
		{"a_long_name_in_c_with_no_brackets", 10, "\u2026_brackets"},
		{"a<unclosed_and_rather_long", 10, "a<\u2026"},
		{">>>>>>>>>>>><", 5, "\u2026>><\u2026"},
		{"<", 80, "<"},
		{"", 3, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *found = short_name(cases[i].name, cases[i].columns);

		if (cases[i].columns)
			assert_in_range(text_columns(found), 0, cases[i].columns);
		assert_string_equal(found, cases[i].wanted);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_fit_the_columns_that_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
