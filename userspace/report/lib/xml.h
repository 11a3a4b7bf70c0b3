/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_LIB_XML_H
#define REPORT_LIB_XML_H

#include <stdio.h>

/* Text of a document or of an attribute. XML 1.0 has no way to write other control characters, and
 * normalises line ends and, in attributes, blanks, unless they are references. */
void xml_text(FILE *out, const char *text);

#endif
