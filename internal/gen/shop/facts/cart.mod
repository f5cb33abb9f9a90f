# go VERSION, main PATH VERSION, then one dependency a line: path version
go go1.26.8
main shop.example/cart v1.22.0
github.com/cespare/xxhash/v2 v2.3.0
github.com/dgryski/go-rendezvous v0.0.0-20200823014737-9f7001d12a5f
github.com/redis/go-redis/v9 v9.7.3
golang.org/x/crypto v0.19.0
golang.org/x/net v0.21.0
golang.org/x/sys v0.48.0
golang.org/x/text v0.42.0
