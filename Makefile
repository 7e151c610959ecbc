# The version that builds and images carry. A release overrides it: make build VERSION=1.2.3
VERSION ?= 0.2.0
# The image that docker-build, docker-push and deploy use.
# It names no registry: give yours with IMG.
IMAGE_NAME := five-spot
IMG ?= $(IMAGE_NAME):v$(VERSION)
# The image of the reclaim agent, likewise.
AGENT_IMG ?= five-spot-reclaim-agent:v$(VERSION)
# The image of the bundle that a catalog serves.
BUNDLE_IMG ?= five-spot-bundle:v$(VERSION)
# The image of the catalog that has the bundle.
CATALOG_IMG ?= five-spot-catalog:v$(VERSION)
# Where the Dockerfiles of these two and what they copy are.
BUNDLE_CONTEXT ?= .
CATALOG_CONTEXT ?= .
# What gives the agent's image to the manager.
AGENT_IMAGE_PATCH = {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"five-spot-controller-manager"},"spec":{"template":{"spec":{"containers":[{"name":"manager","env":[{"name":"RELATED_IMAGE_RECLAIM_AGENT","value":"$(AGENT_IMG)"}]}]}}}}
CONTAINER_TOOL ?= docker
PLATFORMS ?= linux/amd64,linux/arm64
# The commit that the images' labels name.
REVISION ?= unknown
KUBECTL ?= kubectl
# What "make deploy" installs, below config: default, or rbac-namespaced-secrets.
DEPLOY ?= default

# true lets "make uninstall" remove every object.
ALLOW_REMOVAL ?=

# Extra flags: make run ARGS=--once, make test TESTARGS='-race -run Drain'
ARGS ?=
TESTARGS ?=
TEST_TIMEOUT ?= 45m
FUZZTIME ?= 30s
# -required makes it a failure when the database is out of reach.
VULNCHECK_FLAGS ?=
BENCH ?= .

LOCALBIN := $(CURDIR)/bin
# The same bytes everywhere, for the same Go: see docs/security/supply-chain.md.
GO_BUILD = CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=v$(VERSION)"
# The modules with code of our own.
OWN_TOOLS := tools/alerts tools/bundle tools/govulncheck tools/images tools/opm
GO_FOLDERS := $(wildcard agent api cmd controllers pkg tests)
MARKER_PATHS := $(foreach dir,$(wildcard api controllers),paths=./$(dir)/...)
GENERATED := 'api/*/zz_generated.*.go' config/crd/bases config/rbac/role.yaml docs/reference/api.md docs/reference/permissions.md bundle config/catalog
NESTED_MODULES := $(patsubst %/go.mod,%,$(wildcard tools/*/go.mod))

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SECONDEXPANSION:
.DEFAULT_GOAL := help

##@ General

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN { FS = ":.*##"; printf "Usage: make \033[36m<target>\033[0m [VARIABLE=value]\n" } \
		/^[a-zA-Z0-9_-]+:.*##/ { printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2 } \
		/^##@/ { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run the operator in an embedded local world; ARGS=--once ends after one full cycle.
	go run ./tests/run $(ARGS)

.PHONY: clean
clean: ## Remove everything that was built into bin.
	rm -rf "$(LOCALBIN)"

##@ Development

.PHONY: generate
generate: $$(CONTROLLER_GEN) ## Generate the DeepCopy methods of the API types.
	"$(CONTROLLER_GEN)" object paths=./api/...

.PHONY: manifests
manifests: $$(CONTROLLER_GEN) ## Generate the CRDs and the manager's ClusterRole from the markers in the code.
	"$(CONTROLLER_GEN)" crd rbac:roleName=five-spot-manager-role $(MARKER_PATHS) \
		output:crd:artifacts:config=config/crd/bases output:rbac:artifacts:config=config/rbac

.PHONY: docs
docs: $$(CRD_REF_DOCS) ## Generate the references of the API and of the permissions.
	@mkdir -p docs/reference
	"$(CRD_REF_DOCS)" --source-path=api --config=tools/crd-ref-docs/config.yaml --renderer=markdown \
		--templates-dir=tools/crd-ref-docs/templates --output-path=docs/reference/api.md --log-level=ERROR
	go run ./tests/permissions .

.PHONY: fmt
fmt: $$(GOLANGCI_LINT) ## Format the code.
	"$(GOLANGCI_LINT)" fmt

.PHONY: vet
vet: ## Run go vet.
	go vet ./...
	@for module in $(OWN_TOOLS); do go vet -C "$$module" ./...; done

.PHONY: lint
lint: $$(GOLANGCI_LINT) ## Run the linters.
	"$(GOLANGCI_LINT)" run
	@for module in $(OWN_TOOLS); do (cd "$$module" && "$(GOLANGCI_LINT)" run); done

.PHONY: lint-fix
lint-fix: $$(GOLANGCI_LINT) ## Run the linters and fix what they can fix.
	"$(GOLANGCI_LINT)" run --fix

.PHONY: tidy
tidy: ## Run go mod tidy in every cheap module.
	@for module in . $(NESTED_MODULES); do (cd "$$module" && go mod tidy); done

.PHONY: verify
verify: verify-format verify-modules verify-generated verify-manifests verify-workflows ## Check that generated files, modules, formatting and manifests are as they should be.

.PHONY: verify-format
verify-format: ## Check that every Go file is formatted.
	@unformatted="$$(git ls-files --cached --others --exclude-standard '*.go' | xargs gofmt -l)"; \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi

.PHONY: verify-modules
verify-modules: ## Check that go.mod and go.sum are tidy.
	@for module in . $(NESTED_MODULES); do \
		(cd "$$module" && go mod tidy -diff) || { echo "$$module is not tidy, run make tidy"; exit 1; }; \
	done

.PHONY: verify-generated
verify-generated: generate manifests docs bundle catalog ## Regenerate the generated files and fail when git sees a difference.
	@changed="$$(git status --porcelain -- $(GENERATED))"; \
	if [ -n "$$changed" ]; then \
		git --no-pager diff -- $(GENERATED); \
		echo "generated files differ from what is committed, run make generate manifests docs bundle catalog:"; echo "$$changed"; exit 1; \
	fi

.PHONY: verify-manifests
verify-manifests: $$(KUSTOMIZE) ## Check that every kustomization builds.
	@for dir in admission agent agent-openshift agent/rights crd default manifests networkpolicy olm-deploy olm-deploy/v1 prometheus rbac-namespaced-secrets workload; do \
		"$(KUSTOMIZE)" build "config/$$dir" > /dev/null || { echo "config/$$dir does not build"; exit 1; }; \
	done

.PHONY: verify-workflows
verify-workflows: $$(ACTIONLINT) ## Check that the workflows are valid.
	"$(ACTIONLINT)" -shellcheck= -pyflakes=

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities in what the programs call; says so where the database is out of reach.
	@# A finding counts for the platforms of the images.
	@go run -C tools/govulncheck . $(VULNCHECK_FLAGS) -root "$(CURDIR)" . ./agent

##@ Test

.PHONY: control-plane
control-plane: ## Provide the control-plane binaries of the test environment; the first time can take ten minutes.
	@echo "Looking for the control-plane binaries"
	@go run ./tests/testenv/assets

.PHONY: test
test: control-plane ## Run the unit and integration suites.
	@echo "Building the test programs"
	@go test -exec true $(TESTARGS) ./... > /dev/null
	@# One at a time: several start control planes, and would take the time from each other.
	go test -p 1 -timeout $(TEST_TIMEOUT) $(TESTARGS) ./...
	@# What they read of the project lies outside of their modules, so that a result is kept for too long.
	@for module in $(OWN_TOOLS); do go test -C "$$module" -count=1 -timeout $(TEST_TIMEOUT) $(TESTARGS) ./...; done

.PHONY: test-unit
test-unit: ## Run what needs no control plane.
	go test -short -timeout 10m $(TESTARGS) ./...
	@for module in $(OWN_TOOLS); do go test -C "$$module" -count=1 -short -timeout 10m $(TESTARGS) ./...; done

.PHONY: test-node
test-node: ## Run the reclaim agent's Pod on a real kubelet and containerd, as root on Linux; nothing is installed.
	@programs="$$(go run ./tests/node/host)"; \
	go run ./tests/testenv/assets etcd kube-apiserver kubectl kube-controller-manager kube-scheduler kubelet > /dev/null; \
	FIVE_SPOT_NODE_PROGRAMS="$$programs" go test -count=1 -timeout 15m -v $(TESTARGS) ./tests/node

.PHONY: test-olm
test-olm: control-plane $$(OLM) $$(OPM) ## Install, upgrade and remove the bundle with the Operator Lifecycle Manager; the first time builds that for some minutes.
	FIVE_SPOT_OLM_PROGRAMS="$(dir $(OLM))" FIVE_SPOT_OPM="$(OPM)" go test -count=1 -timeout 15m -v $(TESTARGS) ./tests/olm

.PHONY: bench
bench: ## Run the benchmarks; BENCH is a regular expression.
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(TESTARGS) ./...

.PHONY: bench-agent
bench-agent: ## Measure the reclaim agent within its limits, as root on Linux; ARGS='-requests=0 -storm=10s' leaves the control plane out.
	CGO_ENABLED=0 go build -trimpath -o "$(LOCALBIN)/bench-agent" ./tests/benchmark/agent
	"$(LOCALBIN)/bench-agent" $(ARGS)

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME, one after the other, and fail when one fails.
	@failed=0; summary=""; \
	while IFS=: read -r file declaration; do \
		target="$${declaration#func }"; folder="$$(dirname "$$file")"; result=ok; \
		echo "==> $$target in $$folder"; \
		go test -short -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$folder" < /dev/null || { result=FAILED; failed=1; }; \
		summary+="$$(printf '%-8s %-28s %s' "$$result" "$$target" "$$folder")"$$'\n'; \
	done < <(grep -rHoE --include='*_test.go' --exclude-dir=testdata '^func Fuzz[A-Za-z0-9_]+' $(GO_FOLDERS) | LC_ALL=C sort); \
	printf '\n%s' "$$summary"; exit $$failed

##@ Build

.PHONY: build
build: build-agent ## Build the manager and the reclaim agent into bin.
	$(GO_BUILD) -o "$(LOCALBIN)/five-spot" .

.PHONY: build-agent
build-agent: ## Build the reclaim agent into bin.
	GOOS=linux $(GO_BUILD) -o "$(LOCALBIN)/five-spot-reclaim-agent" ./agent

IMAGES = go run -C tools/images .
IMAGES_FLAGS = -root "$(CURDIR)" -version $(VERSION) -revision $(REVISION) -platforms $(PLATFORMS)

.PHONY: images
images: ## Make the images for PLATFORMS as OCI layouts in bin/images; needs no container engine and pulls nothing.
	@$(IMAGES) layout $(IMAGES_FLAGS) -output "$(LOCALBIN)/images"

.PHONY: images-push
images-push: ## Push what make images made as IMG and AGENT_IMG, and print the references with their digests.
	@$(IMAGES) push -output "$(LOCALBIN)/images/five-spot" -reference $(IMG)
	@$(IMAGES) push -output "$(LOCALBIN)/images/five-spot-reclaim-agent" -reference $(AGENT_IMG)

.PHONY: sbom
sbom: ## Write what the programs consist of into bin/sbom, as SPDX and as CycloneDX.
	@$(IMAGES) sbom $(IMAGES_FLAGS) -output "$(LOCALBIN)/sbom"

BUILD_ARGS = --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION)

.PHONY: docker-build
docker-build: ## Build the images for this machine's platform with CONTAINER_TOOL: docker, podman or buildah.
	$(CONTAINER_TOOL) build $(BUILD_ARGS) --target manager -t $(IMG) .
	$(CONTAINER_TOOL) build $(BUILD_ARGS) --target agent -t $(AGENT_IMG) .

.PHONY: docker-push
docker-push: ## Push the images.
	$(CONTAINER_TOOL) push $(IMG)
	$(CONTAINER_TOOL) push $(AGENT_IMG)

.PHONY: docker-buildx
docker-buildx: ## Build and push the images for PLATFORMS with docker buildx.
	$(CONTAINER_TOOL) buildx build --platform=$(PLATFORMS) $(BUILD_ARGS) --target manager --push -t $(IMG) .
	$(CONTAINER_TOOL) buildx build --platform=$(PLATFORMS) $(BUILD_ARGS) --target agent --push -t $(AGENT_IMG) .

##@ Deployment

.PHONY: install
install: $$(KUSTOMIZE) ## Install the CRDs into the current cluster.
	"$(KUSTOMIZE)" build config/crd | $(KUBECTL) apply --server-side -f -

.PHONY: uninstall
uninstall: $$(KUSTOMIZE) ## Delete the CRDs, and with them every ScheduledMachine, from the current cluster: ALLOW_REMOVAL=true.
	@if [ "$(ALLOW_REMOVAL)" != true ]; then \
		echo "This deletes every ScheduledMachine and every MachineCalendar there is. If that is meant: make uninstall ALLOW_REMOVAL=true" >&2; exit 1; \
	fi
	@# Without it the admission policy refuses the deletion.
	$(KUBECTL) annotate --overwrite customresourcedefinition scheduledmachines.5spot.finos.org machinecalendars.5spot.finos.org 5spot.finos.org/allow-removal=true
	"$(KUSTOMIZE)" build config/crd | $(KUBECTL) delete --ignore-not-found -f -

.PHONY: install-manifest
install-manifest: $$(KUSTOMIZE) ## Write the CRDs and the manager with the images IMG and AGENT_IMG into bin/release/install.yaml.
	@rm -rf "$(LOCALBIN)/deploy" && mkdir -p "$(LOCALBIN)/deploy" "$(LOCALBIN)/release"
	@# The agent's image is the value of a variable, which "edit set image" does not reach.
	@cd "$(LOCALBIN)/deploy" && "$(KUSTOMIZE)" create --resources "../../config/$(DEPLOY)" && \
		"$(KUSTOMIZE)" edit set image $(IMAGE_NAME)=$(IMG) && \
		"$(KUSTOMIZE)" edit add patch --kind Deployment --name five-spot-controller-manager --patch '$(AGENT_IMAGE_PATCH)'
	"$(KUSTOMIZE)" build "$(LOCALBIN)/deploy" > "$(LOCALBIN)/release/install.yaml"

.PHONY: deploy
deploy: install-manifest ## Install the CRDs and the manager with the images IMG and AGENT_IMG into the current cluster.
	$(KUBECTL) apply --server-side -f - < "$(LOCALBIN)/release/install.yaml"

.PHONY: undeploy
undeploy: $$(KUSTOMIZE) ## Delete the manager from the current cluster; the CRDs and every machine stay.
	"$(KUSTOMIZE)" build config/manager | $(KUBECTL) delete --ignore-not-found -f -
	"$(KUSTOMIZE)" build config/rbac | $(KUBECTL) delete --ignore-not-found -f -

##@ Bundle

BUNDLE = go run -C tools/bundle .
BUNDLE_FLAGS = -root "$(CURDIR)" -manager-image $(IMG) -agent-image $(AGENT_IMG)
# Where operator-sdk is installed, it has a say, too.
OPERATOR_SDK ?= $(shell command -v operator-sdk 2> /dev/null)

.PHONY: bundle
bundle: manifests ## Make the bundle for the Operator Lifecycle Manager from config; where operator-sdk is installed, check that it makes the same.
	$(BUNDLE) generate $(BUNDLE_FLAGS) -version $(VERSION)
ifneq ($(OPERATOR_SDK),)
	@# It writes a bundle.Dockerfile into the folder that it is in.
	@rm -rf "$(LOCALBIN)/operator-sdk" && mkdir -p "$(LOCALBIN)/operator-sdk" && cp PROJECT "$(LOCALBIN)/operator-sdk/"
	$(BUNDLE) render $(BUNDLE_FLAGS) | (cd "$(LOCALBIN)/operator-sdk" && "$(OPERATOR_SDK)" generate bundle --quiet --package five-spot \
		--version $(VERSION) --channels stable,candidate --default-channel stable --output-dir bundle)
	$(BUNDLE) compare -root "$(CURDIR)" -with "$(LOCALBIN)/operator-sdk/bundle"
endif

.PHONY: bundle-validate
bundle-validate: ## Check the bundle as OLM, OperatorHub and the scorecard do.
	$(BUNDLE) validate -root "$(CURDIR)"
ifneq ($(OPERATOR_SDK),)
	"$(OPERATOR_SDK)" bundle validate bundle --select-optional suite=operatorframework
endif

.PHONY: bundle-build
bundle-build: ## Build the image of the bundle with CONTAINER_TOOL.
	$(CONTAINER_TOOL) build -f "$(BUNDLE_CONTEXT)/bundle.Dockerfile" -t $(BUNDLE_IMG) "$(BUNDLE_CONTEXT)"

.PHONY: bundle-push
bundle-push: ## Push the image of the bundle.
	$(CONTAINER_TOOL) push $(BUNDLE_IMG)

.PHONY: release-bundle
release-bundle: ## Pack the bundle into bin/release, with IMG and AGENT_IMG, which must have digests.
	@rm -rf "$(LOCALBIN)/bundle" && mkdir -p "$(LOCALBIN)/bundle" "$(LOCALBIN)/release" && cp bundle.Dockerfile "$(LOCALBIN)/bundle/"
	$(BUNDLE) generate $(BUNDLE_FLAGS) -version $(VERSION) -digests -bundle "$(LOCALBIN)/bundle/bundle" \
		$(if $(SOURCE_DATE_EPOCH),-created-at "$$(date -u -d @$(SOURCE_DATE_EPOCH) +%Y-%m-%dT%H:%M:%SZ)")
	$(BUNDLE) validate -bundle "$(LOCALBIN)/bundle/bundle"
	@# The same bytes everywhere, as with the images.
	tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w -C "$(LOCALBIN)/bundle" -cf - bundle bundle.Dockerfile | \
		gzip -n > "$(LOCALBIN)/release/five-spot-bundle.tar.gz"

.PHONY: catalog
catalog: bundle $$(OPM) ## Write the bundle as BUNDLE_IMG into the catalog of config/catalog, and check that.
	@# OpenShift 4.17 and later take what the console shows from the catalog, and the rest from the image.
	"$(OPM)" render bundle --output yaml --migrate-level bundle-object-to-csv-metadata --alpha-image-ref-template "$(BUNDLE_IMG)" \
		> "config/catalog/five-spot.v$(VERSION).yaml"
	"$(OPM)" validate config/catalog

.PHONY: catalog-build
catalog-build: ## Build the image of the catalog with CONTAINER_TOOL.
	$(CONTAINER_TOOL) build -f "$(CATALOG_CONTEXT)/catalog.Dockerfile" -t $(CATALOG_IMG) "$(CATALOG_CONTEXT)"

.PHONY: catalog-push
catalog-push: ## Push the image of the catalog.
	$(CONTAINER_TOOL) push $(CATALOG_IMG)

# Where the entries of the versions are, and how to tell those images from others that a cluster finds.
CATALOG_FOLDER ?= config/catalog
PINNED_IMAGE = /.*@sha256:[0-9a-f]{64}$$

.PHONY: release-check
release-check: ## Say what release-catalog would refuse, before anything of VERSION is pushed.
	@cd "$(CATALOG_FOLDER)" && failed=0; \
		if [ "$$(grep -cxE ' *- name: five-spot\.v$(subst .,\.,$(VERSION))' package.yaml)" != "$$(grep -cx 'schema: olm.channel' package.yaml)" ]; then \
			echo "package.yaml has no entry for five-spot.v$(VERSION) in each channel" >&2; failed=1; \
		fi; \
		for file in five-spot.v*.yaml; do \
			if [ "$$file" != "five-spot.v$(VERSION).yaml" ] && grep -E '^(- )?image: ' "$$file" | grep -qvE '$(PINNED_IMAGE)'; then \
				echo "$$file is not the one of its release: it has images that are not of a registry, by digest" >&2; failed=1; \
			fi; \
		done; exit "$$failed"

.PHONY: release-catalog
release-catalog: $$(OPM) ## Write what release-bundle made into a catalog in bin/catalog, with BUNDLE_IMG, which must have its digest.
	@rm -rf "$(LOCALBIN)/catalog" && mkdir -p "$(LOCALBIN)/catalog/config" "$(LOCALBIN)/release" && \
		cp catalog.Dockerfile "$(LOCALBIN)/catalog/" && cp -r config/catalog "$(LOCALBIN)/catalog/config/"
	"$(OPM)" render "$(LOCALBIN)/bundle/bundle" --output yaml --migrate-level bundle-object-to-csv-metadata --alpha-image-ref-template "$(BUNDLE_IMG)" \
		> "$(LOCALBIN)/catalog/config/catalog/five-spot.v$(VERSION).yaml"
	"$(OPM)" validate "$(LOCALBIN)/catalog/config/catalog"
	@# A name without a registry would be looked for wherever the cluster looks for such.
	@if (cd "$(LOCALBIN)/catalog/config/catalog" && grep -HE '^(- )?image: ' five-spot.v*.yaml) | grep -vE '$(PINNED_IMAGE)'; then \
		echo "these images are not of a registry, by digest: config/catalog must have the file of each earlier release, and BUNDLE_IMG a digest" >&2; exit 1; \
	fi
	cp "$(LOCALBIN)/catalog/config/catalog/five-spot.v$(VERSION).yaml" "$(LOCALBIN)/release/"

##@ Tools

# A tool's version is the one in its own go.mod; its binary lies in a folder of that name.
tool-path = $(LOCALBIN)/$(1)/$(shell awk '{ sub(/^require /, "") } $$1 == "$(2)" { print $$2 }' tools/$(1)/go.mod)/$(1)
ACTIONLINT := $(call tool-path,actionlint,github.com/rhysd/actionlint)
CONTROLLER_GEN := $(call tool-path,controller-gen,sigs.k8s.io/controller-tools)
CRD_REF_DOCS := $(call tool-path,crd-ref-docs,github.com/elastic/crd-ref-docs)
GOLANGCI_LINT := $(call tool-path,golangci-lint,github.com/golangci/golangci-lint/v2)
KUSTOMIZE := $(call tool-path,kustomize,sigs.k8s.io/kustomize/kustomize/v5)
OLM := $(call tool-path,olm,github.com/operator-framework/operator-lifecycle-manager)
OPM := $(call tool-path,opm,github.com/operator-framework/operator-registry)
SETUP_ENVTEST := $(call tool-path,setup-envtest,sigs.k8s.io/controller-runtime/tools/setup-envtest)
TOOLS := $(ACTIONLINT) $(CONTROLLER_GEN) $(CRD_REF_DOCS) $(GOLANGCI_LINT) $(KUSTOMIZE) $(OLM) $(OPM) $(SETUP_ENVTEST)
# Without these they need C: for a database, for signatures and for a file system.
$(OLM) $(OPM): TOOL_TAGS := json1,containers_image_openpgp,exclude_graphdriver_btrfs

.PHONY: tools
tools: $(TOOLS) ## Build all tools.

.PHONY: actionlint
actionlint: $(ACTIONLINT) ## Build actionlint.

.PHONY: controller-gen
controller-gen: $(CONTROLLER_GEN) ## Build controller-gen.

.PHONY: crd-ref-docs
crd-ref-docs: $(CRD_REF_DOCS) ## Build crd-ref-docs.

.PHONY: golangci-lint
golangci-lint: $(GOLANGCI_LINT) ## Build golangci-lint with kube-api-linter in it.

.PHONY: kustomize
kustomize: $(KUSTOMIZE) ## Build kustomize.

.PHONY: olm
olm: $(OLM) ## Build the two operators of the Operator Lifecycle Manager.

.PHONY: opm
opm: $(OPM) ## Build opm, which makes and serves catalogs.

.PHONY: setup-envtest
setup-envtest: $(SETUP_ENVTEST) ## Build setup-envtest.

$(TOOLS): $$(wildcard tools/$$(@F)/go.* tools/$$(@F)/*.go)
	@echo "Building $(@F) $(notdir $(@D))"
	@cd "tools/$(@F)" && CGO_ENABLED=0 go build -trimpath -tags "$(TOOL_TAGS)" -ldflags "-s -w" -o "$(@D)/" tool
	@touch "$@"
