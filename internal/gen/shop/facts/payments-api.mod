# go VERSION, main PATH VERSION, then one dependency a line: path version
go go1.26.8
main shop.example/payments-api v7.4.1
github.com/jackc/pgpassfile v1.0.0
github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761
github.com/jackc/pgx/v5 v5.9.2
github.com/jackc/puddle/v2 v2.2.2
golang.org/x/net v0.59.0
golang.org/x/sync v0.23.0
golang.org/x/text v0.42.0
