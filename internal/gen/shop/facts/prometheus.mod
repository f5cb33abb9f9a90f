# go VERSION, main PATH VERSION, then one dependency a line: path version
go go1.25.13
main github.com/prometheus/prometheus v0.305.0
github.com/prometheus/client_golang v1.22.0
github.com/prometheus/client_model v0.6.2
github.com/prometheus/common v0.65.0
golang.org/x/net v0.59.0
golang.org/x/sys v0.48.0
golang.org/x/text v0.42.0
google.golang.org/protobuf v1.36.12
