# Two images: the reclaim agent is the target "agent", and the manager the one that is
# built without a target. "make images" reads the same stages, but needs no builder: what
# the first stage runs makes the files, and the others say what the images are.
# The build runs on the builder's own platform and cross-compiles.
FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY tools/images/go.mod tools/images/go.sum tools/images/
RUN go mod download && go -C tools/images mod download
COPY . .
RUN go build -C tools/images -o /usr/local/bin/images .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=0.2.0
RUN images rootfs -version "$VERSION" -platforms "${TARGETOS:-linux}/${TARGETARCH:-$(go env GOARCH)}" -output /rootfs

# It runs as root, as the files of other users' processes in /proc ask for; its Pod takes
# every capability but one away. There is no shell and no other program in it.
FROM scratch AS agent
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL name="five-spot-reclaim-agent" \
      vendor="FINOS" \
      maintainer="FINOS" \
      version="$VERSION" \
      release="1" \
      url="https://github.com/finos/five-spot" \
      summary="The 5-Spot agent that gives a machine back to its owner" \
      description="Gives a machine back when its owner starts a listed program" \
      io.k8s.display-name="5-Spot reclaim agent" \
      io.k8s.description="Gives a machine back when its owner starts a listed program" \
      org.opencontainers.image.title="five-spot-reclaim-agent" \
      org.opencontainers.image.description="Gives a machine back when its owner starts a listed program" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/finos/five-spot" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.vendor="FINOS" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /rootfs/agent/licenses /licenses
COPY --from=build /rootfs/agent/five-spot-reclaim-agent /five-spot-reclaim-agent
USER 0:0
ENTRYPOINT ["/five-spot-reclaim-agent"]

# Nothing but the static binary and licences: zone data is embedded, and the API servers'
# CAs come with their kubeconfigs.
FROM scratch AS manager
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL name="five-spot" \
      vendor="FINOS" \
      maintainer="FINOS" \
      version="$VERSION" \
      release="1" \
      url="https://github.com/finos/five-spot" \
      summary="The 5-Spot operator" \
      description="Adds machines to Cluster API clusters and removes them on a schedule" \
      io.k8s.display-name="5-Spot" \
      io.k8s.description="Adds machines to Cluster API clusters and removes them on a schedule" \
      org.opencontainers.image.title="five-spot" \
      org.opencontainers.image.description="Adds machines to Cluster API clusters and removes them on a schedule" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/finos/five-spot" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.vendor="FINOS" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /rootfs/manager/licenses /licenses
COPY --from=build /rootfs/manager/five-spot /five-spot
USER 65532:65532
ENTRYPOINT ["/five-spot"]
