// Package receive takes audit events that Kubernetes API servers post (their
// audit webhook backend), and answers 200 when they are durable.
//
// A request holds an audit.k8s.io/v1 EventList. It is cut into its events
// without decoding them, and becomes one model.Batch: its ID is the SHA-256 of
// the body, so a batch that an API server sends again is stored once. No rule
// runs here, and nothing waits for one.
//
// What comes back:
//
//	200  the events are durable
//	429  too many requests or bytes are in flight; at once, with Retry-After: shed
//	503  the log failed or took longer than the deadline; with Retry-After: shed
//	413  the body is larger than the bound: shed, because it won't ever fit
//	400  the body can't be decompressed
//	401  no valid token
//	405  not POST
//
// A body that is no list of events, or breaks off in one, is kept as well, as
// records that the reader of the log finds malformed, and answered with 200:
// sending the same again would mend nothing.
//
// An API server in batch mode tries each batch five times within some 80
// seconds and drops it then; it drops events earlier where its buffer is full.
// So this way may lose events, and every shed has to raise an alarm. The
// lossless way is the audit log file and its tail. In the modes blocking and
// blocking-strict each request of the cluster waits for the answer given here:
// Check finds that in an API server's arguments, and Stats.Blocking where its
// requests look so.
//
// # Limits
//
// Events of one receiver are one stream, numbered from 0, which begins anew
// with each start: its name ends with the time of the start. Numbers rise in
// the order in which requests were read, and have gaps where a batch was
// refused or known already. A body may have up to 32 MiB, plain or gzip. A
// client may see a reset connection in place of an early 413 or 429 for a large
// body over HTTP/1.1; it tries again all the same.
package receive
