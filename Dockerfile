# The image of docs/image.md, for those who build with Docker or Podman: the same files as `make image`
# makes without either. There is no distribution in it, so there is no base image to keep up to date.
#
# The clone has to be in the context with its .git, since the version comes from there.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY . .
ARG TARGETARCH
RUN go -C deploy/image run . rootfs -arch "$TARGETARCH" -out /rootfs

FROM scratch
COPY --from=build /rootfs/ /
LABEL org.opencontainers.image.title="enricher" \
      org.opencontainers.image.source="https://github.com/callstream/enricher" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
ENTRYPOINT ["/enricher"]
