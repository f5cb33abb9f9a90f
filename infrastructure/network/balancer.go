package network

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
)

// internalMarks are annotations by which a Service asks its cloud for an
// address inside only, with the values that say so; none means any but "" and
// "false". Sources: the documentation of the load balancer controllers of AWS,
// Azure, GKE, OpenStack, Oracle, DigitalOcean, IBM, Alibaba, Tencent, Hetzner
// and Scaleway.
var internalMarks = []struct {
	annotation string
	values     []string
}{
	{"service.beta.kubernetes.io/aws-load-balancer-internal", nil},
	{"service.beta.kubernetes.io/aws-load-balancer-scheme", []string{"internal"}},
	{"service.beta.kubernetes.io/azure-load-balancer-internal", []string{"true"}},
	{"networking.gke.io/load-balancer-type", []string{"internal"}},
	{"cloud.google.com/load-balancer-type", []string{"internal"}},
	{"service.beta.kubernetes.io/openstack-internal-load-balancer", []string{"true"}},
	{"service.beta.kubernetes.io/oci-load-balancer-internal", []string{"true"}},
	{"oci-network-load-balancer.oraclecloud.com/internal", []string{"true"}},
	{"service.beta.kubernetes.io/do-loadbalancer-network", []string{"internal"}},
	{"service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type", []string{"private"}},
	{"service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type", []string{"intranet"}},
	{"service.kubernetes.io/qcloud-loadbalancer-internal-subnetid", nil},
	{"load-balancer.hetzner.cloud/disable-public-network", []string{"true"}},
	{"service.beta.kubernetes.io/scw-loadbalancer-private", []string{"true"}},
}

// internalBalancer reports whether a Service of type LoadBalancer has, or asks
// for, addresses inside only.
func internalBalancer(o *kube.Object, s *corev1.Service) bool {
	annotations := o.Annotations()
	for _, m := range internalMarks {
		got := annotations[m.annotation]
		if m.values == nil && got != "" && got != "false" ||
			slices.ContainsFunc(m.values, func(v string) bool { return strings.EqualFold(v, got) }) {
			return true
		}
	}
	class := ""
	if s.Spec.LoadBalancerClass != nil {
		class = *s.Spec.LoadBalancerClass
	}
	// The controller of AWS, which these two ask for, makes internal balancers
	// unless told otherwise; the older one in the cloud provider public ones.
	aws := class == "service.k8s.aws/nlb" ||
		slices.Contains([]string{"external", "nlb-ip"}, annotations["service.beta.kubernetes.io/aws-load-balancer-type"])
	if aws && annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] != "internet-facing" {
		return true
	}
	if class == "tailscale" || s.Spec.LoadBalancerIP != "" && onlyPrivate([]string{s.Spec.LoadBalancerIP}) {
		return true
	}
	var given []string
	for _, i := range s.Status.LoadBalancer.Ingress {
		if i.IP == "" {
			return false // a host name may stand for any address
		}
		given = append(given, i.IP)
	}
	return onlyPrivate(given)
}

// server is a program that serves Ingress or Gateway objects.
type server struct {
	image string   // part of its image's name
	names []string // as IngressClass and GatewayClass name it
	class string   // "nginx" of the old annotation kubernetes.io/ingress.class
}

var servers = []server{
	{"ingress-nginx/controller", []string{"k8s.io/ingress-nginx"}, "nginx"},
	{"nginx/nginx-ingress", []string{"nginx.org/ingress-controller"}, "nginx"},
	{"nginx-ingress-controller", []string{"k8s.io/ingress-nginx"}, "nginx"},
	{"traefik", []string{"traefik.io/ingress-controller", "traefik.io/gateway-controller"}, "traefik"},
	{"haproxytech/kubernetes-ingress", []string{"haproxy.org/ingress-controller"}, "haproxy"},
	{"haproxy-ingress", []string{"haproxy-ingress.github.io/controller"}, "haproxy"},
	{"kong/kong", []string{"ingress-controllers.konghq.com/kong", "konghq.com/kic-gateway-controller"}, "kong"},
	{"projectcontour/", []string{"projectcontour.io/ingress-controller", "projectcontour.io/gateway-controller"}, "contour"},
	{"envoyproxy/gateway", []string{"gateway.envoyproxy.io/gatewayclass-controller"}, "envoy"},
	{"openshift/origin-haproxy-router", []string{"openshift.io/ingress-to-route"}, "openshift"},
}

// outsiders are the controllers that serve objects by a balancer of the cloud,
// which is no workload.
var outsiders = []string{
	"ingress.k8s.aws/alb", "gateway.k8s.aws/alb", "gateway.k8s.aws/nlb", "azure/application-gateway", "alb.networking.azure.io/alb-controller",
	"networking.gke.io/gateway", "k8s.io/ingress-gce",
}

func isServer(load *kube.Workload) bool {
	return slices.ContainsFunc(servers, func(s server) bool { return s.runs(load) })
}

func (s server) runs(load *kube.Workload) bool {
	return slices.ContainsFunc(load.Spec.Containers, func(c corev1.Container) bool { return strings.Contains(c.Image, s.image) })
}

// serving returns those of some workloads that may serve what names a
// controller or, in the old form, a class: all of them where neither is known
// here, none where the cloud serves it.
func (x *entries) serving(controller, class string) []int {
	if slices.Contains(outsiders, controller) || slices.Contains([]string{"gce", "alb"}, class) && controller == "" {
		return nil
	}
	known := false
	var list []int
	for _, w := range x.servers {
		for _, s := range servers {
			named := slices.Contains(s.names, controller) || controller == "" && class != "" && s.class == class
			known = known || named
			if named && s.runs(x.engine.world.snapshot.Workloads[w]) && !slices.Contains(list, w) {
				list = append(list, w)
			}
		}
	}
	if !known {
		return x.servers
	}
	return list
}
