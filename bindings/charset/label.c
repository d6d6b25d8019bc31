/* bindings/charset/label.c: the labels of WHATWG's encoding standard, and what iconv calls the
 * charsets that they mean.
 *
 * The table is closed: a server cannot make the C library load any converter that it names. It
 * has what browsers know, and a few labels of old systems that pages carry besides. Layer:
 * bindings. */
#include "bindings/charset/label.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST = 32 };

static const lpb_charset_label table[] = {
    {"utf-8", "UTF-8", LPB_CHARSET_UTF8,
     " utf-8 utf8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8 "},
    {"ibm866", "CP866", LPB_CHARSET_SINGLE, " 866 cp866 csibm866 ibm866 "},
    {"iso-8859-2", "ISO-8859-2", LPB_CHARSET_SINGLE,
     " csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 "
     "latin2 latin-2 "},
    {"iso-8859-3", "ISO-8859-3", LPB_CHARSET_SINGLE,
     " csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 "
     "latin3 "},
    {"iso-8859-4", "ISO-8859-4", LPB_CHARSET_SINGLE,
     " csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 "
     "latin4 "},
    {"iso-8859-5", "ISO-8859-5", LPB_CHARSET_SINGLE,
     " csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 "
     "iso_8859-5:1988 "},
    {"iso-8859-6", "ISO-8859-6", LPB_CHARSET_SINGLE,
     " arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 "
     "iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987 "},
    {"iso-8859-7", "ISO-8859-7", LPB_CHARSET_SINGLE,
     " csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 "
     "iso_8859-7 iso_8859-7:1987 sun_eu_greek "},
    {"iso-8859-8", "ISO-8859-8", LPB_CHARSET_SINGLE,
     " csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 "
     "iso88598 iso_8859-8 iso_8859-8:1988 visual "},
    {"iso-8859-8-i", "ISO-8859-8", LPB_CHARSET_SINGLE, " csiso88598i iso-8859-8-i logical "},
    {"iso-8859-10", "ISO-8859-10", LPB_CHARSET_SINGLE,
     " csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6 "},
    {"iso-8859-13", "ISO-8859-13", LPB_CHARSET_SINGLE, " iso-8859-13 iso8859-13 iso885913 "},
    {"iso-8859-14", "ISO-8859-14", LPB_CHARSET_SINGLE, " iso-8859-14 iso8859-14 iso885914 "},
    {"iso-8859-15", "ISO-8859-15", LPB_CHARSET_SINGLE,
     " csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9 latin9 latin-9 "},
    {"iso-8859-16", "ISO-8859-16", LPB_CHARSET_SINGLE, " iso-8859-16 "},
    {"koi8-r", "KOI8-R", LPB_CHARSET_SINGLE, " cskoi8r koi koi8 koi8-r koi8_r koi8r "},
    {"koi8-u", "KOI8-U", LPB_CHARSET_SINGLE, " koi8-ru koi8-u "},
    {"macintosh", "MACINTOSH", LPB_CHARSET_SINGLE, " csmacintosh mac macintosh x-mac-roman "},
    {"windows-874", "CP874", LPB_CHARSET_SINGLE,
     " cp874 dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874 "},
    {"windows-1250", "CP1250", LPB_CHARSET_SINGLE,
     " cp1250 win-1250 win1250 windows-1250 x-cp1250 "},
    {"windows-1251", "CP1251", LPB_CHARSET_SINGLE,
     " cp1251 cp-1251 win-1251 win1251 windows-1251 x-cp1251 "},
    {"windows-1252", "CP1252", LPB_CHARSET_SINGLE,
     " ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 "
     "iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 latin-1 us-ascii windows-1252 x-cp1252 "
     "x-user-defined "},
    {"windows-1253", "CP1253", LPB_CHARSET_SINGLE, " cp1253 windows-1253 x-cp1253 "},
    {"windows-1254", "CP1254", LPB_CHARSET_SINGLE,
     " cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 "
     "l5 latin5 windows-1254 x-cp1254 "},
    {"windows-1255", "CP1255", LPB_CHARSET_SINGLE, " cp1255 windows-1255 x-cp1255 "},
    {"windows-1256", "CP1256", LPB_CHARSET_SINGLE, " cp1256 windows-1256 x-cp1256 "},
    {"windows-1257", "CP1257", LPB_CHARSET_SINGLE, " cp1257 windows-1257 x-cp1257 "},
    {"windows-1258", "CP1258", LPB_CHARSET_SINGLE, " cp1258 windows-1258 x-cp1258 "},
    {"x-mac-cyrillic", "MAC-UK", LPB_CHARSET_SINGLE, " x-mac-cyrillic x-mac-ukrainian "},
    {"gbk", "GB18030", LPB_CHARSET_MULTI,
     " chinese cp936 csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 ms936 "
     "x-gbk "},
    {"gb18030", "GB18030", LPB_CHARSET_MULTI, " gb18030 "},
    {"big5", "BIG5-HKSCS", LPB_CHARSET_MULTI,
     " big5 big5-hkscs cn-big5 cp950 csbig5 x-x-big5 "},
    {"euc-jp", "EUC-JP-MS", LPB_CHARSET_MULTI, " cseucpkdfmtjapanese euc-jp eucjp x-euc-jp "},
    {"iso-2022-jp", "ISO-2022-JP", LPB_CHARSET_SHIFTED, " csiso2022jp iso-2022-jp "},
    {"shift_jis", "CP932", LPB_CHARSET_MULTI,
     " cp932 csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis "},
    {"euc-kr", "UHC", LPB_CHARSET_MULTI,
     " cp949 cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 "
     "ksc5601 ksc_5601 windows-949 "},
    {"utf-16be", "UTF-16BE", LPB_CHARSET_UTF16, " unicodefffe utf-16be "},
    {"utf-16le", "UTF-16LE", LPB_CHARSET_UTF16,
     " csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le "},
    {"utf-32be", "UTF-32BE", LPB_CHARSET_UTF32, " utf-32be "},
    {"utf-32le", "UTF-32LE", LPB_CHARSET_UTF32, " utf-32 utf-32le "},
};

/* Writes the label as the table has it, " name ". Returns 0 when it can be none. */
static int normalize(const char *label, size_t len, char *out) {
  while (len > 0 && isspace((unsigned char)label[0])) label++, len--;
  while (len > 0 && isspace((unsigned char)label[len - 1])) len--;
  if (len == 0 || len > LONGEST) return 0;
  *out++ = ' ';
  for (size_t i = 0; i < len; i++) {
    if (label[i] <= ' ') return 0;
    *out++ = (char)(label[i] >= 'A' && label[i] <= 'Z' ? label[i] + ('a' - 'A') : label[i]);
  }
  *out++ = ' ';
  *out = '\0';
  return 1;
}

const lpb_charset_label *lpb_charset_label_find(const char *label, size_t len) {
  char key[LONGEST + 3];
  if (!normalize(label, len, key)) return NULL;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strstr(table[i].labels, key)) return &table[i];
  return NULL;
}
