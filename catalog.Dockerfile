# The catalog as an image, which holds nothing but its files: OLM brings what serves them.
FROM scratch
LABEL operators.operatorframework.io.index.configs.v1=/configs
COPY config/catalog /configs/five-spot
