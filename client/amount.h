/* SPDX-License-Identifier: Apache-2.0 */
/* Amounts as people read them. All results are owned (free). */
#ifndef FLAME_CLIENT_AMOUNT_H
#define FLAME_CLIENT_AMOUNT_H

/* "800 B", "20.0 MiB", "-1.5 KiB". */
char *amount_bytes(double bytes);

/* Whole seconds: "42s", "5m02s", "3h07m". */
char *amount_age(double seconds);

/* "1 block", "12 blocks": the noun's plural ends in s. */
char *amount_count(double count, const char *noun);

#endif
