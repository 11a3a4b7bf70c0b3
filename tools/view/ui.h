/* SPDX-License-Identifier: BSD-2-Clause */
/* The frame around the screens, and what keys and the mouse do. */
#ifndef VIEW_UI_H
#define VIEW_UI_H

#include "feed.h"
#include "view.h"

enum ui_end { UI_GO_ON, UI_LEAVE };

/* The job of the overview's selected line, SIZE_MAX = none. */
size_t overview_selected(const struct view *v);

void ui_draw(struct view *v, const struct feed *feed);
enum ui_end ui_key(struct view *v, const struct feed *feed, int key);
/* 0 .. NR_SCREENS - 1 by name or the start of one, -1 = unknown. */
int ui_screen(const char *name);

#endif
