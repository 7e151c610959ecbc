package node_test

import (
	"os"
	"strings"
)

const (
	nodeName   = "desk"
	pauseImage = "five-spot.test/pause:1"

	// The addresses are of a range that is reserved for tests of networks, and that no
	// machine uses (RFC 2544). That of the API server is the first of the services, and
	// that of the network device of Pods, which have the upper half.
	network      = "198.18.0.0/24"
	serviceRange = "198.18.0.0/25"
	firstPod     = "198.18.0.128"
	apiAddress   = "198.18.0.1"
	apiAndMask   = apiAddress + "/24"
)

// containerdConfig does without what Debian's containerd, a machine without systemd, and
// root without CAP_SYS_RESOURCE cannot do.
const containerdConfig = `version = 2
root = "FOLDER/containerd"
state = "FOLDER/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "FOLDER/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "PAUSE"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "PROGRAMS"
    conf_dir = "FOLDER/network"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      BinaryName = "PROGRAMS/runc"
`

const networkConfig = `{
  "cniVersion": "0.4.0", "name": "five-spot", "plugins": [{
    "type": "bridge", "bridge": "BRIDGE", "isGateway": true, "ipMasq": false,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "NETWORK", "rangeStart": "FIRST", "gateway": "GATEWAY"}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "FOLDER/addresses"}
  }]
}
`

const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://FOLDER/containerd.sock
cgroupDriver: cgroupfs
# Both kinds of control groups are fine.
failCgroupV1: false
failSwapOn: false
# Nobody asks the kubelet for anything, so that it listens nowhere.
enableServer: false
healthzPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
podLogsDir: FOLDER/logs
volumePluginDir: FOLDER/volume-plugins
resolvConf: ""
makeIPTablesUtilChains: false
maxOpenFiles: 20000
# A full disk is not what is tested.
evictionHard: {memory.available: 1Mi, nodefs.available: 1Mi, nodefs.inodesFree: "0%", imagefs.available: 1Mi, imagefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
`

// configure writes a configuration with what is known only now.
func configure(path, text, folder, programs string) error {
	replaced := strings.NewReplacer(
		"FOLDER", folder, "PROGRAMS", programs, "PAUSE", pauseImage, "BRIDGE", bridgeName, "NETWORK", network, "FIRST", firstPod, "GATEWAY", apiAddress).Replace(text)
	return os.WriteFile(path, []byte(replaced), 0o600)
}
