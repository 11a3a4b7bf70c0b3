// SPDX-License-Identifier: BSD-2-Clause
#include "report/lib/xml.h"

void xml_text(FILE *out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '&')
			fputs("&amp;", out);
		else if (*c == '<')
			fputs("&lt;", out);
		else if (*c == '>')
			fputs("&gt;", out);
		else if (*c == '"')
			fputs("&quot;", out);
		else if (*c == '\n' || *c == '\r' || *c == '\t')
			fprintf(out, "&#%d;", *c);
		else if (*c < 0x20 || *c == 0x7f)
			fputs("\xef\xbf\xbd", out); /* U+FFFD, the replacement character */
		else if (c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe) {
			fputs("\xef\xbf\xbd", out); /* U+FFFE and U+FFFF are no characters */
			c += 2;
		} else {
			fputc(*c, out);
		}
	}
}
