package testenv

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func TestRequestsAreRecorded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	var requests Requests
	config := &rest.Config{Host: server.URL}
	client, err := kubernetes.NewForConfig(requests.Wrap(config))
	if err != nil {
		t.Fatal(err)
	}
	// All of them fail; they were sent all the same.
	_, _ = client.CoreV1().Pods("a").Get(t.Context(), "p", metav1.GetOptions{})
	_, _ = client.CoreV1().Pods("a").Watch(t.Context(), metav1.ListOptions{})
	_ = client.CoordinationV1().Leases("a").Delete(t.Context(), "l", metav1.DeleteOptions{})

	get := Request{Method: "GET", Path: "/api/v1/namespaces/a/pods/p"}
	watch := Request{Method: "GET", Path: "/api/v1/namespaces/a/pods", Watch: true}
	release := Request{Method: "DELETE", Path: "/apis/coordination.k8s.io/v1/namespaces/a/leases/l"}
	for name, test := range map[string]struct {
		filter func(Request) bool
		want   []Request
	}{
		"all of them, in order":       {nil, []Request{get, watch, release}},
		"without watches and leases":  {WithoutUpkeep, []Request{get}},
		"only those that want change": {Request.Write, []Request{release}},
	} {
		if diff := cmp.Diff(test.want, requests.List(test.filter)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	requests.Reset()
	if got := requests.List(nil); len(got) != 0 {
		t.Errorf("after Reset: %v", got)
	}
	if config.WrapTransport != nil {
		t.Error("the config that was given was changed")
	}
}
