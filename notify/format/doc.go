// Package format renders alerts in the words of those who take them: pure
// functions from a Message to bytes, each with the version of the
// specification that it follows.
//
//	JSON        our own, the line that `detect run` prints
//	OCSF        Detection Finding, class 2004, of OCSF 1.4.0 (schema.ocsf.io)
//	ECS         an alert document of Elastic Common Schema 8.17
//	CEF         ArcSight Common Event Format, version 0, implementation standard revision 26
//	Syslog      a CEF record in a message of RFC 5424
//	CloudEvent  CloudEvents 1.0.2, JSON format, structured mode; a list of them is its batch format
//
// Each carries the id of the message as its own key, so that a receiver that
// gets a message twice can tell: that is the only key, whatever the format.
//
// Limits. Tactics are not given, because alerts name techniques alone. A CEF
// extension holds at most 1,023 bytes a custom string; longer values are cut.
package format
