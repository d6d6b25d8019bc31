# The same loads as of cache.lua, on cachetools.
import sys
import cachetools

policy, what, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
SIZE = 10000
if len(sys.argv) > 4:
    c = cachetools.TTLCache(maxsize=SIZE, ttl=3600)
else:
    make = {"lru": cachetools.LRUCache, "lfu": cachetools.LFUCache, "fifo": cachetools.FIFOCache}
    c = make[policy](maxsize=SIZE)
for i in range(1, SIZE + 1):
    c[i] = i

state = 1


def random(n):
    global state
    state = (state * 1103515245 + 12345) & 0x7FFFFFFF
    return (state >> 8) % n


def popular():
    if random(5) > 0:
        return random(SIZE // 2)
    return SIZE // 2 + random(SIZE * 2)


@cachetools.cached(c)
def compute(key):
    return key


def get(i):
    return c[i % SIZE + 1]


def set(i):
    c[SIZE + i] = i


def mixed(i):
    key = popular()
    if c.get(key) is None:
        c[key] = key


def fetch(i):
    return compute(popular())


def nothing(i):
    return popular()


load = globals()[what]
for i in range(1, count + 1):
    load(i)
