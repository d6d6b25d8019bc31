# luapool in a container: `docker build -t luapool .`, then in the folder of a job
#   docker run --rm -v "$PWD:/work" luapool run titles.lua
#   docker run --rm -v "$PWD:/work" luapool serve jobs.lua
# Everything is built in the first stage; the second has the package alone, and a user who is not root.
# --build-arg DEBIAN=trixie: on Debian 13. --user "$(id -u)": results that belong to you.
ARG DEBIAN=bookworm

FROM debian:$DEBIAN AS build
WORKDIR /src
COPY . .
RUN sh vendor/bootstrap deb

FROM debian:$DEBIAN-slim
RUN --mount=type=bind,from=build,source=/src/build/deb,target=/deb \
  apt-get update -q \
  && apt-get install -y -q --no-install-recommends /deb/luapool_*.deb \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --create-home --uid 1000 luapool
USER luapool
WORKDIR /work
STOPSIGNAL SIGTERM
ENTRYPOINT ["luapool"]
CMD ["--help"]
