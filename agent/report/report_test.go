package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/finos/five-spot/agent/annotate"
	"github.com/finos/five-spot/agent/cycle"
	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/agent/metrics"
	"github.com/finos/five-spot/agent/report"
	"github.com/finos/five-spot/agent/watchconfig"
	"github.com/finos/five-spot/pkg/reclaim"
)

// Every part of the agent reports here.
var (
	_ watchconfig.Observer = &report.Reporter{}
	_ cycle.Observer       = &report.Reporter{}
	_ detect.Observer      = &report.Reporter{}
)

var (
	errDown      = errors.New("connection refused")
	errForbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "desk-7", errors.New("not your Node"))
	errWrongHost = fmt.Errorf("%w: machine-id differs", annotate.ErrWrongHost)
	found        = detect.Found{PID: 4711, Pattern: "idea"}
	idea         = reclaim.ConfigFor([]string{"idea"})
)

// events keeps what is emitted.
type events struct{ emitted []string }

func (e *events) Normal(reason, _, note string) {
	e.emitted = append(e.emitted, "Normal "+reason+": "+note)
}

func (e *events) Warning(reason, _, note string) {
	e.emitted = append(e.emitted, "Warning "+reason+": "+note)
}

// told is where a Reporter reports to.
type told struct {
	events
	*report.Reporter
	metrics *metrics.Metrics
	log     bytes.Buffer
}

func newTold() *told {
	t := &told{metrics: metrics.New("dev")}
	log := funcr.New(func(_, line string) { t.log.WriteString(line + "\n") }, funcr.Options{Verbosity: 5})
	t.Reporter = report.New(log, t.metrics, &t.events, "5spot-system/reclaim-agent-desk-7")
	return t
}

// metric is the line about one series, as /metrics has it.
func (to *told) metric(t *testing.T, series string) string {
	t.Helper()
	response := httptest.NewRecorder()
	to.metrics.Handler().ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	for line := range strings.Lines(response.Body.String()) {
		if value, ok := strings.CutPrefix(line, "fivespot_agent_"+series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return "absent"
}

func TestEvents(t *testing.T) {
	t.Parallel()
	const (
		invalid   = "Warning ReclaimConfigInvalid: ConfigMap 5spot-system/reclaim-agent-desk-7: connection refused. The last configuration that could be read stays in force"
		valid     = "Normal ReclaimConfigValid: ConfigMap 5spot-system/reclaim-agent-desk-7 can be read again"
		wrongHost = `Warning ReclaimWrongHost: A process matches "idea", but: the Node is not known to be this machine: machine-id differs`
		refused   = `Warning ReclaimRefused: A process matches "idea", but: nodes "desk-7" is forbidden: not your Node`
		requested = `Normal ReclaimRequested: A process matches "idea"`
		hidden    = "Warning ProcessesHidden: The reclaim agent cannot see the processes of other users and finds none of them: hidepid=2"
		fallback  = "Warning DetectorFallback: The kernel does not tell the reclaim agent of new processes, so it reads all of them again and again: no capability"
	)
	for name, test := range map[string]struct {
		happens func(r *report.Reporter)
		want    []string
	}{
		"a configuration that loads is nothing to look at": {func(r *report.Reporter) { r.ConfigLoaded(idea) }, nil},
		"one that does not is":                             {func(r *report.Reporter) { r.ConfigRejected(errDown) }, []string{invalid}},
		"and it is told when it does again, once":          {func(r *report.Reporter) { r.ConfigRejected(errDown); r.ConfigLoaded(idea); r.ConfigLoaded(idea) }, []string{invalid, valid}},
		"an outage of the API server is not told there":    {func(r *report.Reporter) { r.RequestFailed(found, 1, errDown) }, nil},
		"a wrong host is told once for each request": {func(r *report.Reporter) {
			r.RequestFailed(found, 1, errWrongHost)
			r.RequestFailed(found, 2, errWrongHost)
		}, []string{wrongHost}},
		"also after an outage": {func(r *report.Reporter) { r.RequestFailed(found, 1, errDown); r.RequestFailed(found, 2, errWrongHost) }, []string{wrongHost}},
		"a refusal is told": {func(r *report.Reporter) {
			r.RequestFailed(found, 1, errForbidden)
			r.RequestFailed(found, 2, errForbidden)
		}, []string{refused}},
		"what keeps a request back may change": {func(r *report.Reporter) {
			r.RequestFailed(found, 1, errWrongHost)
			r.RequestFailed(found, 2, errForbidden)
		}, []string{wrongHost, refused}},
		"the next request is told of again": {func(r *report.Reporter) {
			r.RequestFailed(found, 1, errWrongHost)
			r.Requested(found, annotate.Written)
			r.RequestFailed(found, 1, errWrongHost)
		}, []string{wrongHost, requested, wrongHost}},
		"so is one after a request that was dropped": {func(r *report.Reporter) {
			r.RequestFailed(found, 1, errWrongHost)
			r.Dropped(found)
			r.RequestFailed(found, 1, errWrongHost)
		}, []string{wrongHost, wrongHost}},
		"a request that lands is told":            {func(r *report.Reporter) { r.Requested(found, annotate.Written) }, []string{requested}},
		"one that stood already is not":           {func(r *report.Reporter) { r.Requested(found, annotate.AlreadyRequested); r.Released(found) }, nil},
		"the kernel's events are as it should be": {func(r *report.Reporter) { r.Using(detect.ModeNetlink, ""); r.Using(detect.ModeIdle, "") }, nil},
		"polling on request is, too":              {func(r *report.Reporter) { r.Using(detect.ModePoll, "") }, nil},
		"polling for want of anything better is told once": {func(r *report.Reporter) {
			r.Using(detect.ModePoll, "no capability")
			r.Using(detect.ModeIdle, "")
			r.Using(detect.ModePoll, "no capability")
		}, []string{fallback}},
		"and again after it worked": {func(r *report.Reporter) {
			r.Using(detect.ModePoll, "no capability")
			r.Using(detect.ModeNetlink, "")
			r.Using(detect.ModePoll, "no capability")
		}, []string{fallback, fallback}},
		"processes in sight are as it should be": {func(r *report.Reporter) { r.Hidden("") }, nil},
		"hidden ones are told once, and again after they could be seen": {func(r *report.Reporter) {
			r.Hidden("hidepid=2")
			r.Hidden("hidepid=2")
			r.Hidden("")
			r.Hidden("hidepid=2")
		}, []string{hidden, hidden}},
		"a detector that may not poll is told": {func(r *report.Reporter) { r.Using(detect.ModeIdle, "no capability") }, []string{
			"Warning DetectorUnavailable: The kernel does not tell the reclaim agent of new processes, so it finds none: no capability",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := newTold()
			test.happens(told.Reporter)
			NewWithT(t).Expect(told.emitted).To(Equal(test.want))
		})
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		happens func(r *report.Reporter)
		series  string
		want    string
	}{
		"patterns":                  {func(r *report.Reporter) { r.ConfigLoaded(idea) }, `patterns`, "1"},
		"no patterns":               {func(r *report.Reporter) { r.ConfigLoaded(idea); r.ConfigLoaded(reclaim.Config{}) }, `patterns`, "0"},
		"a rejected one keeps them": {func(r *report.Reporter) { r.ConfigLoaded(idea); r.ConfigRejected(errDown) }, `patterns`, "1"},
		"loaded":                    {func(r *report.Reporter) { r.ConfigLoaded(idea) }, `config_loads_total{result="loaded"}`, "1"},
		"rejected":                  {func(r *report.Reporter) { r.ConfigRejected(errDown) }, `config_loads_total{result="rejected"}`, "1"},
		"a failed request":          {func(r *report.Reporter) { r.RequestFailed(found, 1, errDown) }, `requests_total{result="failed"}`, "1"},
		"a refused request":         {func(r *report.Reporter) { r.RequestFailed(found, 1, errForbidden) }, `requests_total{result="failed"}`, "1"},
		"a wrong host, each time": {func(r *report.Reporter) {
			r.RequestFailed(found, 1, errWrongHost)
			r.RequestFailed(found, 2, errWrongHost)
		}, `requests_total{result="wrong_host"}`, "2"},
		"a request":                {func(r *report.Reporter) { r.Requested(found, annotate.Written) }, `requests_total{result="written"}`, "1"},
		"one that stood already":   {func(r *report.Reporter) { r.Requested(found, annotate.AlreadyRequested) }, `requests_total{result="already_requested"}`, "1"},
		"a request stands":         {func(r *report.Reporter) { r.Requested(found, annotate.Written); r.LookFailed(errDown) }, `requested`, "1"},
		"and is gone":              {func(r *report.Reporter) { r.Requested(found, annotate.Written); r.Released(found) }, `requested`, "0"},
		"the mode":                 {func(r *report.Reporter) { r.Using(detect.ModeNetlink, "") }, `detector{mode="netlink"}`, "1"},
		"a fallback, each time":    {func(r *report.Reporter) { r.Using(detect.ModePoll, "a"); r.Using(detect.ModePoll, "b") }, `detector_fallbacks_total`, "2"},
		"hidden processes":         {func(r *report.Reporter) { r.Hidden("hidepid=2") }, `processes_hidden`, "1"},
		"and in sight again":       {func(r *report.Reporter) { r.Hidden("hidepid=2"); r.Hidden("") }, `processes_hidden`, "0"},
		"events":                   {func(r *report.Reporter) { r.Received(5) }, `events_total`, "5"},
		"lost events":              {func(r *report.Reporter) { r.Lost(2) }, `events_lost_total`, "2"},
		"scans":                    {func(r *report.Reporter) { r.Scanned(detect.CauseLost, 100, time.Second) }, `rescans_total{cause="lost"}`, "1"},
		"matches":                  {func(r *report.Reporter) { r.Matched(found, 0) }, `matches_total`, "1"},
		"latency":                  {func(r *report.Reporter) { r.Matched(found, time.Millisecond) }, `detection_latency_seconds_count`, "1"},
		"no latency where unknown": {func(r *report.Reporter) { r.Matched(found, 0) }, `detection_latency_seconds_count`, "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, told := NewWithT(t), newTold()
			test.happens(told.Reporter)
			g.Expect(told.metric(t, test.series)).To(Equal(test.want))
		})
	}
}

func TestTheLogNamesTheProcessByItsNumberAndPattern(t *testing.T) {
	t.Parallel()
	g, told := NewWithT(t), newTold()
	told.Matched(found, time.Millisecond)
	g.Expect(told.log.String()).To(And(ContainSubstring(`"pid"=4711`), ContainSubstring(`"pattern"="idea"`)))
	told.log.Reset()
	told.RequestFailed(found, 3, errDown)
	g.Expect(told.log.String()).To(And(ContainSubstring(`"pid"=4711`), ContainSubstring(`"attempt"=3`), ContainSubstring("connection refused")))
}
