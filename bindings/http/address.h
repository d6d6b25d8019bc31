/* bindings/http/address.h: what scripts ask of addresses, as texts. Layer: bindings. */
#ifndef LPB_HTTP_ADDRESS_H
#define LPB_HTTP_ADDRESS_H

#include <lua.h>

/* core.is_public(address) -> boolean; nil when it is no address. */
int lpb_http_address_is_public(lua_State *L);

/* core.within(address, network) -> boolean: the network is an address or, as "10.0.0.0/8", the
 * first bits of one. False when either is something else. */
int lpb_http_address_within(lua_State *L);

#endif
