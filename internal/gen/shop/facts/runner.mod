# go VERSION, main PATH VERSION, then one dependency a line: path version
go go1.26.8
main shop.example/runner v2.4.0
github.com/json-iterator/go v1.1.12
golang.org/x/net v0.59.0
golang.org/x/sys v0.48.0
golang.org/x/text v0.42.0
google.golang.org/protobuf v1.36.12
k8s.io/api v0.37.2
k8s.io/apimachinery v0.37.2
k8s.io/client-go v0.37.2
