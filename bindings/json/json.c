/* bindings/json/json.c: what decoding and encoding share. Layer: bindings. */
#include "bindings/json/json.h"

const char lpb_json_null = 'n';
const char lpb_json_array = 'a';
