package record

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scantling/scantling/test/e2e/plane"
)

// users are those whom the API server knows by token. Groups are what a
// client certificate or an identity provider would say.
func users() []plane.User {
	list := []plane.User{
		{Name: "lena@shop.example", Groups: []string{"shop:developers"}},
		{Name: "tomas@shop.example", Groups: []string{"shop:developers"}},
	}
	for _, n := range nodes {
		list = append(list, plane.User{Name: "system:node:" + n, Groups: []string{"system:nodes"}})
	}
	return list
}

// setUp brings the cluster to the morning of the day: the example's manifests
// are applied, with the images from before the day's releases.
func (p *player) setUp(manifests []plane.Manifest) error {
	for _, n := range nodes {
		if err := p.makeNode(n); err != nil {
			return err
		}
	}
	var homeless []plane.Manifest
	placed := map[string]plane.Manifest{}
	for _, m := range manifests {
		for _, r := range releases() {
			if m.Kind == "Deployment" && m.Namespace == r.ns && m.Name == r.app {
				m.Text = strings.ReplaceAll(m.Text, r.image, r.old)
			}
		}
		if key := m.Namespace + "/" + m.Name; m.Kind == "Deployment" && homes[key] != "" {
			placed[key] = m
			continue
		}
		homeless = append(homeless, m)
	}
	if err := p.admin.Create(p.ctx, append(homeless, developers())); err != nil {
		return err
	}
	if err := p.settle(); err != nil {
		return err
	}
	for _, n := range nodes {
		for key, m := range placed {
			if homes[key] != n {
				continue
			}
			if err := p.open(n); err != nil {
				return err
			}
			if err := p.admin.Create(p.ctx, []plane.Manifest{m}); err != nil {
				return err
			}
		}
		if err := p.settle(); err != nil {
			return err
		}
	}
	return p.cast()
}

// developers may look at the shop. The example's manifests leave out who works
// there.
func developers() plane.Manifest {
	return plane.Manifest{
		APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding", Namespace: "shop", Name: "developers",
		Text: `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"developers","namespace":"shop"},
"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},
"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"shop:developers"}]}`,
	}
}

// makeNode makes a node whose kubelet is the recorder's.
func (p *player) makeNode(name string) error {
	node := nodeReady()
	node["apiVersion"], node["kind"], node["metadata"] = "v1", "Node", object{"name": name}
	status := node["status"].(object)
	status["addresses"] = []any{object{"type": "InternalIP", "address": "127.0.0.1"}}
	status["daemonEndpoints"] = object{"kubeletEndpoint": object{"Port": p.kubelet.Port}}
	status["capacity"] = room("110")
	status["allocatable"] = room("110")
	if err := p.admin.Do(p.ctx, plane.Request{Verb: http.MethodPost, Path: "/api/v1/nodes", Body: node}).Error(); err != nil {
		return fmt.Errorf("making node %s: %w", name, err)
	}
	lease := object{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": object{"name": name}, "spec": object{"holderIdentity": name, "leaseDurationSeconds": 40}}
	return p.admin.Do(p.ctx, plane.Request{Verb: http.MethodPost, Path: "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", Body: lease}).Error()
}

func room(pods string) object { return object{"cpu": "64", "memory": "512Gi", "pods": pods} }

// open leaves the scheduler one node with room for pods. A pod may tolerate
// any taint, but no lack of room. The scheduler hears of it in its own time: a
// pod that asks for the mark that is set last shows when it has.
func (p *player) open(node string) error {
	if node == p.opened {
		return nil
	}
	for _, n := range nodes {
		pods := "0"
		if n == node {
			pods = "110"
		}
		if err := p.patch("/api/v1/nodes/"+n+"/status", object{"status": object{"capacity": room(pods), "allocatable": room(pods)}}); err != nil {
			return err
		}
	}
	p.marks++
	mark := object{"opened": strconv.Itoa(p.marks)}
	if err := p.patch("/api/v1/nodes/"+node, object{"metadata": object{"labels": mark}}); err != nil {
		return err
	}
	if err := p.scout(mark); err != nil {
		return fmt.Errorf("opening node %s: %w", node, err)
	}
	p.opened = node
	return nil
}

// scout waits until the scheduler places a pod on the node with the mark.
func (p *player) scout(mark object) error {
	const all = "/api/v1/namespaces/kube-system/pods"
	name := fmt.Sprint("scout-", mark["opened"])
	body := object{"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": name}, "spec": object{
		"nodeSelector": mark, "terminationGracePeriodSeconds": 0, "containers": []any{object{"name": "main", "image": "registry.example/scout:1"}},
	}}
	if err := p.admin.Do(p.ctx, plane.Request{Verb: http.MethodPost, Path: all, Body: body}).Error(); err != nil {
		return err
	}
	err := p.until("the scheduler", func() (bool, error) {
		var found pod
		err := p.admin.Do(p.ctx, plane.Request{Path: all + "/" + name}).Decode(&found)
		return found.Spec.NodeName != "", err
	})
	if err != nil {
		return err
	}
	return p.admin.Do(p.ctx, plane.Request{Verb: http.MethodDelete, Path: all + "/" + name}).Error()
}

func (p *player) patch(path string, body any) error {
	return p.admin.Do(p.ctx, plane.Request{Verb: http.MethodPatch, Path: path, Type: "application/strategic-merge-patch+json", Body: body}).Error()
}

type pod struct {
	Metadata struct {
		Name, Namespace   string
		Labels            map[string]string
		DeletionTimestamp string
	}
	Spec   struct{ NodeName string }
	Status struct{ Phase string }
}

func (p *player) list(path string) ([]pod, error) {
	var list struct{ Items []pod }
	err := p.admin.Do(p.ctx, plane.Request{Path: path}).Decode(&list)
	return list.Items, err
}

// settle lets every pod that has a place come up, until all Deployments and
// DaemonSets have what they want.
func (p *player) settle() error {
	return p.until("the workloads", func() (bool, error) {
		found, err := p.list("/api/v1/pods")
		if err != nil {
			return false, err
		}
		for _, x := range found {
			if x.Spec.NodeName == "" || x.Status.Phase != "Pending" {
				continue
			}
			p.pods++
			if err := p.patch("/api/v1/namespaces/"+x.Metadata.Namespace+"/pods/"+x.Metadata.Name+"/status", podRunning(p.pods)); err != nil {
				return false, err
			}
		}
		return p.settled()
	})
}

func (p *player) settled() (bool, error) {
	var deployments struct {
		Items []struct {
			Metadata struct{ Generation int }
			Spec     struct{ Replicas int }
			Status   struct{ ObservedGeneration, ReadyReplicas int }
		}
	}
	if err := p.admin.Do(p.ctx, plane.Request{Path: "/apis/apps/v1/deployments"}).Decode(&deployments); err != nil {
		return false, err
	}
	for _, d := range deployments.Items {
		if d.Status.ReadyReplicas != d.Spec.Replicas || d.Status.ObservedGeneration != d.Metadata.Generation {
			return false, nil
		}
	}
	var daemons struct {
		Items []struct {
			Status struct{ DesiredNumberScheduled, NumberReady int }
		}
	}
	if err := p.admin.Do(p.ctx, plane.Request{Path: "/apis/apps/v1/daemonsets"}).Decode(&daemons); err != nil {
		return false, err
	}
	for _, d := range daemons.Items {
		if d.Status.DesiredNumberScheduled != len(nodes) || d.Status.NumberReady != len(nodes) {
			return false, nil
		}
	}
	return true, nil
}

// cast says which real pod plays each pod that the script names.
func (p *player) cast() error {
	found, err := p.list("/api/v1/pods")
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b pod) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) })
	for _, x := range found {
		switch key := x.Metadata.Namespace + "/" + x.Metadata.Labels["app"]; {
		case key == "platform/log-agent":
			p.real["log-agent-"+suffix("log", x.Spec.NodeName)] = x.Metadata.Name
		case key == "shop/catalog" && p.real[catalogPod] == "":
			p.real[catalogPod] = x.Metadata.Name
			// The next release takes this one away first.
			cheap := object{"metadata": object{"annotations": object{"controller.kubernetes.io/pod-deletion-cost": "-1"}}}
			if err := p.patch("/api/v1/namespaces/shop/pods/"+x.Metadata.Name, cheap); err != nil {
				return err
			}
		case acting[key] != "" && p.real[acting[key]] == "":
			p.real[acting[key]] = x.Metadata.Name
		}
	}
	for _, name := range []string{catalogPod, storefrontPod, runnerPod, deployerPod, prometheusPod, ingressPod} {
		if p.real[name] == "" {
			return fmt.Errorf("no pod plays %s", name)
		}
	}
	return nil
}

// cronJobDue makes the newsletter due: the last one seems two weeks old.
func cronJobDue(p *player) error {
	last := time.Now().UTC().Add(-14 * 24 * time.Hour).Format(time.RFC3339)
	return p.patch("/apis/batch/v1/namespaces/shop/cronjobs/mailer/status", object{"status": object{"lastScheduleTime": last}})
}

// runnerIsAdmin waits until the authorizer has heard of the new binding.
func runnerIsAdmin(p *player) error {
	return p.mayDo(object{"user": "system:serviceaccount:shop:runner", "resourceAttributes": object{"verb": "list", "resource": "secrets"}})
}

// nodeMayAsk waits until the authorizer has heard of a pod on the node: from
// then on its kubelet may ask for tokens of the pod's account.
func nodeMayAsk(node, ns, account string) step {
	return func(p *player) error {
		return p.mayDo(object{"user": "system:node:" + node, "groups": []string{"system:nodes"}, "resourceAttributes": object{
			"verb": "create", "resource": "serviceaccounts", "subresource": "token", "namespace": ns, "name": account,
		}})
	}
}

func (p *player) mayDo(what object) error {
	review := object{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": what}
	return p.until("the authorizer", func() (bool, error) {
		var answer struct{ Status struct{ Allowed bool } }
		err := p.admin.Do(p.ctx, plane.Request{Verb: http.MethodPost, Path: "/apis/authorization.k8s.io/v1/subjectaccessreviews", Body: review}).Decode(&answer)
		return answer.Status.Allowed, err
	})
}
