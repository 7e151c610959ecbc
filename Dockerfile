# Two images: the reclaim agent is the target "agent", and the manager the one that is
# built without a target. The build runs on the builder's own platform and cross-compiles.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=0.1.0
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=v$VERSION" -o /five-spot .
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=v$VERSION" -o /five-spot-reclaim-agent ./agent

# It runs as root, as the files of other users' processes in /proc ask for; its Pod takes
# every capability but one away. There is no shell and no other program in it.
FROM scratch AS agent
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="five-spot-reclaim-agent" \
      org.opencontainers.image.description="Gives a machine back when its owner starts a listed program" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/finos/five-spot" \
      org.opencontainers.image.vendor="FINOS" \
      org.opencontainers.image.version="$VERSION"
COPY LICENSE /licenses/LICENSE
COPY --from=build /five-spot-reclaim-agent /five-spot-reclaim-agent
USER 0:0
ENTRYPOINT ["/five-spot-reclaim-agent"]

# Nothing but the static binary: zone data is embedded, and the API servers' CAs come
# with their kubeconfigs.
FROM scratch AS manager
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="five-spot" \
      org.opencontainers.image.description="Adds machines to Cluster API clusters and removes them on a schedule" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/finos/five-spot" \
      org.opencontainers.image.vendor="FINOS" \
      org.opencontainers.image.version="$VERSION"
COPY LICENSE /licenses/LICENSE
COPY --from=build /five-spot /five-spot
USER 65532:65532
ENTRYPOINT ["/five-spot"]
