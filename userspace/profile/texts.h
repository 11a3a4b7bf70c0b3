/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts that are kept once each: the same text is the same pointer. */
#ifndef PROFILE_TEXTS_H
#define PROFILE_TEXTS_H

/* *texts is NULL at first. The text that is kept, as long as texts_free() is not called; NULL when
 * out of memory. */
const char *texts_keep(void **texts, const char *text);
void texts_free(void *texts); /* NULL is fine */

#endif
