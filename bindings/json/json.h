/* bindings/json/json.h: what decoding and encoding share. Layer: bindings. */
#ifndef LPB_JSON_JSON_H
#define LPB_JSON_JSON_H

/* Deeper values are refused both ways; jansson's own limit. */
#define LPB_JSON_DEPTH 2048

/* So deep any stack is enough. */
#define LPB_JSON_SHALLOW 100

/* Registry keys: their addresses stand for json.null and for the metatable of marked lists. */
extern const char lpb_json_null;
extern const char lpb_json_array;

#endif
