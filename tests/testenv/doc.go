// Package testenv is an embedded local world for tests and for make run: a
// management and a workload control plane of real etcd and kube-apiserver
// processes on the loopback device, Cluster API's CRDs and its real Cluster and
// Machine reconcilers, and a simulated provider that plays the part of
// K0sWorkerConfig and RemoteMachine, so that Nodes join and leave.
//
// # Usage
//
//	world, err := testenv.NewWorld(ctx, testenv.Options{})
//	defer world.Stop()
//	namespace, err := world.Namespace(ctx, "drain")
//	cluster, err := world.CreateCluster(ctx, namespace, "prod")
//
// World.Client and World.WorkloadClient are uncached administrators. A Machine
// whose bootstrap and infrastructure references name a K0sWorkerConfig and a
// RemoteMachine becomes Running within seconds, as that of a ScheduledMachine of
// this package does; Provider.Behave makes one machine slow, broken, or keep the
// marks of its former life.
//
// # Pods
//
// With Options.Kubelets pods become Ready on the Nodes of machines, and stop when
// their grace period is over. CreateDeployment, CreateDaemonSet and CreateBudget make
// what a drain meets, Provider.AddSpareNode a place for replacements, and
// Provider.StopKubelet a machine that is lost. Who does what to a Node: the provider
// alone creates it, deletes it, sets its conditions and renews its lease; kwok only
// runs its pods.
//
// # Where the binaries come from
//
// Binaries looks into KUBEBUILDER_ASSETS and into setup-envtest's own store, asks
// setup-envtest, and at last builds what is missing from source through the Go
// module proxy into that same store, where the next run finds it.
//
// # What is left behind
//
// Nothing. All children are stopped by Stop, and die with the process that
// started them should it not get that far.
package testenv
