// Package feed brings advisories from where they are published, and only what
// changed. It reads the world and judges nothing: what a record says is the
// business of whoever keeps it.
//
// A source is laid out like the public OSV bucket: ecosystems.txt, and for
// each ecosystem all.zip, modified_id.csv (rows of modified,ID, the newest
// first) and one ID.json a record; kev/known_exploited_vulnerabilities.json of
// CISA and epss/epss_scores-current.csv (or .csv.gz) of FIRST beside them. It
// is a folder, a tar of one, an http or https address, or an OCI artifact with
// a blob for each file. A source without modified_id.csv is read as a whole.
//
// A sync asks whether modified_id.csv changed, compares its rows with what is
// kept, and fetches the difference: single records, or all.zip where many
// changed. Records go to a Keeper in batches that are kept as a whole or not
// at all. What is still to fetch is the difference between the list and what
// is kept, so that it is written down nowhere: a sync that is killed goes on
// where the last batch ended. The mark of the list (its ETag) is kept with
// the last batch of all.
//
// Everything read is foreign. Names that lead out of a folder are refused,
// sizes and counts are bounded, answers that stall are ended, redirects lead
// to http and https alone and from https only to https. A server that is busy
// or broken is asked again, later each time, or when its Retry-After says.
//
// Limits: signatures of feeds are not checked, so a source is trusted as its
// transport is. A record whose text changed under the same time of
// modification is seen when all.zip is read, and not before. A list that
// names less than half of the records that are kept removes nothing.
package feed
