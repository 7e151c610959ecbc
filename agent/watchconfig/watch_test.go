package watchconfig_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	fcache "k8s.io/client-go/tools/cache/testing"

	"github.com/finos/five-spot/agent/watchconfig"
	"github.com/finos/five-spot/pkg/reclaim"
)

const name = "reclaim-agent-desk-7"

// observer notes what it is told.
type observer struct {
	loaded   int
	rejected []error
}

func (o *observer) ConfigLoaded(reclaim.Config) { o.loaded++ }

func (o *observer) ConfigRejected(err error) { o.rejected = append(o.rejected, err) }

func configMap(text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "5spot-system", Name: name},
		Data:       map[string]string{reclaim.ConfigKey: text},
	}
}

func commands(names ...string) *reclaim.Config {
	return &reclaim.Config{Commands: names, PollInterval: reclaim.DefaultPollInterval}
}

// step is one edit and what follows from it.
type step struct {
	edit     func(source *fcache.FakeControllerSource)
	delivers *reclaim.Config
	rejected bool
}

func add(object *corev1.ConfigMap) func(*fcache.FakeControllerSource) {
	return func(source *fcache.FakeControllerSource) { source.Add(object.DeepCopy()) }
}

func modify(object *corev1.ConfigMap) func(*fcache.FakeControllerSource) {
	return func(source *fcache.FakeControllerSource) { source.Modify(object.DeepCopy()) }
}

func remove(source *fcache.FakeControllerSource) { source.Delete(configMap("")) }

func TestWatch(t *testing.T) {
	t.Parallel()
	const idea, java = `match_commands = ["idea"]`, `match_commands = ["java"]`
	labelled := configMap(idea)
	labelled.Labels = map[string]string{"a": "b"}
	withoutKey := configMap("")
	withoutKey.Data = map[string]string{"reclaim.yaml": idea}

	for name, steps := range map[string][]step{
		"without a ConfigMap there is nothing": {{edit: func(*fcache.FakeControllerSource) {}}},
		"a ConfigMap that appears is used":     {{edit: add(configMap(idea)), delivers: commands("idea")}},
		"an edit is used": {
			{edit: add(configMap(idea)), delivers: commands("idea")},
			{edit: modify(configMap(java)), delivers: commands("java")},
		},
		"a malformed edit keeps the last good one": {
			{edit: add(configMap(idea)), delivers: commands("idea")},
			{edit: modify(configMap("match_commands = [")), rejected: true},
		},
		"a missing key keeps the last good one": {
			{edit: add(configMap(idea)), delivers: commands("idea")},
			{edit: modify(withoutKey), rejected: true},
		},
		"a ConfigMap that is malformed from the start is nothing": {{edit: add(configMap("=")), rejected: true}},
		"one without the key from the start is nothing":           {{edit: add(withoutKey), rejected: true}},
		"a malformed edit is told once":                           {{edit: add(configMap("=")), rejected: true}, {edit: modify(configMap("="))}},
		"another malformed edit is told again":                    {{edit: add(configMap("=")), rejected: true}, {edit: modify(configMap("[")), rejected: true}},
		"what was repaired is used": {
			{edit: add(configMap("=")), rejected: true},
			{edit: modify(configMap(idea)), delivers: commands("idea")},
		},
		"an edit that was taken back is said to be good again": {
			{edit: add(configMap(idea)), delivers: commands("idea")},
			{edit: modify(configMap("=")), rejected: true},
			{edit: modify(configMap(idea)), delivers: commands("idea")},
		},
		"a change of something else is none": {
			{edit: add(configMap(idea)), delivers: commands("idea")},
			{edit: modify(labelled)},
		},
		"a ConfigMap that is deleted ends the search": {
			{edit: add(configMap(idea)), delivers: commands("idea")},
			{edit: remove, delivers: &reclaim.Config{}},
		},
		"one that comes back is used": {
			{edit: add(configMap(idea)), delivers: commands("idea")},
			{edit: remove, delivers: &reclaim.Config{}},
			{edit: add(configMap(idea)), delivers: commands("idea")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { play(t, steps) })
		})
	}
}

func play(t *testing.T, steps []step) {
	t.Helper()
	g := NewWithT(t)
	source, seen := fcache.NewFakeControllerSource(), &observer{}
	defer source.Shutdown()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watcher := watchconfig.New(source, seen)
	go watcher.Run(ctx)
	synctest.Wait()
	loaded, rejected := 0, 0
	for _, step := range steps {
		step.edit(source)
		synctest.Wait()
		if step.rejected {
			rejected++
		}
		if step.delivers != nil {
			loaded++
			select {
			case got := <-watcher.Configs():
				g.Expect(cmp.Diff(*step.delivers, got)).To(BeEmpty())
			default:
				t.Fatal("nothing was delivered")
			}
		}
		g.Expect(watcher.Configs()).NotTo(Receive())
		g.Expect(seen.rejected).To(HaveLen(rejected))
		g.Expect(seen.loaded).To(Equal(loaded))
	}
}

func TestOnlyTheLatestConfigWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		source := fcache.NewFakeControllerSource()
		defer source.Shutdown()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		watcher := watchconfig.New(source, &observer{})
		go watcher.Run(ctx)
		source.Add(configMap(`match_commands = ["a"]`))
		synctest.Wait()
		source.Modify(configMap(`match_commands = ["b"]`))
		synctest.Wait()
		g.Expect(watcher.Configs()).To(Receive(Equal(*commands("b"))))
		g.Expect(watcher.Configs()).NotTo(Receive())
	})
}

// silent is a source that does not answer before it is opened.
type silent struct {
	*fcache.FakeControllerSource
	opened chan struct{}
}

func (s silent) List(options metav1.ListOptions) (runtime.Object, error) {
	<-s.opened
	return s.FakeControllerSource.List(options)
}

func TestItIsNotKnownWhatToLookForUntilTheAPIServerHasSaidSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		source := silent{fcache.NewFakeControllerSource(), make(chan struct{})}
		defer source.Shutdown()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		watcher := watchconfig.New(source, &observer{})
		g.Expect(watcher.Known()).To(MatchError(ContainSubstring("not known yet")))
		go watcher.Run(ctx)
		synctest.Wait()
		g.Expect(watcher.Known()).NotTo(Succeed(), "it has not answered")

		close(source.opened)
		synctest.Wait()
		g.Expect(watcher.Known()).To(Succeed(), "that there is no ConfigMap is known")
	})
}

var errDown = errors.New("connection refused")

// reader has one ConfigMap, or none.
type reader struct {
	configMap *corev1.ConfigMap
	err       error
}

func (r reader) ConfigMap(_ context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	if r.configMap == nil && r.err == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, namespace+"/"+name)
	}
	return r.configMap, r.err
}

func TestRead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reader reader
		want   reclaim.Config
		err    string
	}{
		"what is there":              {reader: reader{configMap: configMap("poll_interval_ms = 1000\nmatch_pods = true")}, want: reclaim.Config{PollInterval: time.Second, MatchPods: true}},
		"without a ConfigMap: empty": {},
		"what is malformed":          {reader: reader{configMap: configMap("=")}, err: "failed to use ConfigMap 5spot-system/" + name},
		"what cannot be read":        {reader: reader{err: errDown}, err: "failed to get ConfigMap 5spot-system/" + name + ": connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			got, err := watchconfig.Read(t.Context(), test.reader, "5spot-system", "desk-7")
			if test.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(test.err)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(cmp.Diff(test.want, got)).To(BeEmpty())
		})
	}
}
