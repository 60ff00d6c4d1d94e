/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The style sheet and the script of a picture, made from the files in assets/ when flame is built.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_ASSETS_H
#define FLAME_CLIENT_FLAMEGRAPH_ASSETS_H

extern const char asset_style[];
extern const char asset_script[];

#endif
