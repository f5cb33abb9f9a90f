// Package sink hands messages to those who take alerts: files, HTTP endpoints,
// Elasticsearch and OpenSearch, Splunk, Loki, syslog and Kafka.
//
// A sink is named by one text, as `ocsf+https://siem.example/alerts`; Open
// lists the forms. Every request carries the message's key: as document _id,
// event id, header or field. Certificates are verified, by an own authority
// where one is given. Secrets come from the environment or a file, are read
// anew for each request, so that they may be rotated, and never leave over a
// plain connection unless it ends on this machine. A URL that holds a password
// is refused, redirects are not followed, and no error shows more of a URL
// than scheme, host and path.
//
// Limits. Syslog over TCP has no acknowledgement: a batch counts as taken once
// the receiver has closed the connection that we ended, or after five seconds
// without an error; what it did with the bytes it doesn't say. A Kafka topic is
// not created. Records of one message may stand in any partition, by its key.
package sink
