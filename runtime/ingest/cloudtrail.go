package ingest

import (
	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// cloudtrailFormat is AWS CloudTrail, record contents version 1.x: files of S3
// with a Records array, arrays, and one record a line. Docs:
// docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html.
var cloudtrailFormat = format{
	name: "cloudtrail",
	json: func(v *fastjson.Value) bool {
		return has(v, fastjson.TypeString, "eventSource", "eventName", "eventTime") &&
			(v.Exists("eventVersion") || v.Exists("userIdentity"))
	},
	open: func() reader { return decode(cloudtrailRecord) },
}

func cloudtrailRecord(_ *stream, r record) (model.Event, string) {
	v := r.doc
	if !has(v, fastjson.TypeString, "eventSource", "eventName") {
		return model.Event{}, "not a CloudTrail event: no eventSource and eventName"
	}
	who := awsIdentity(v.Get("userIdentity"))
	return model.Event{
		Source:   "cloudtrail",
		Time:     instant(str(v, "eventTime")),
		Key:      str(v, "eventID"),
		Actor:    awsActor(v.Get("userIdentity")),
		Identity: who,
		Action:   str(v, "eventName"),
		Address:  str(v, "sourceIPAddress"),
		Assets:   distinct(who),
	}, ""
}

// awsActor is who signed the request: the ARN, else a name, an account or the
// service of AWS that acted.
func awsActor(who *fastjson.Value) string {
	if who == nil {
		return ""
	}
	return first(str(who, "arn"), str(who, "userName"), str(who, "principalId"), str(who, "invokedBy"), str(who, "accountId"), str(who, "type"))
}

// awsIdentity is the role that a session was issued for, else whoever has an
// ARN of its own. A session's own ARN ends with a name that its owner chose.
func awsIdentity(who *fastjson.Value) model.Ref {
	if who == nil {
		return model.Ref{}
	}
	if str(who, "sessionContext", "sessionIssuer", "type") == "Role" {
		if arn := str(who, "sessionContext", "sessionIssuer", "arn"); arn != "" {
			return model.Ref{Kind: model.CloudRole, Key: arn}
		}
	}
	arn := str(who, "arn")
	if arn == "" || str(who, "type") == "AssumedRole" {
		return model.Ref{}
	}
	return model.Ref{Kind: model.Identity, Key: arn}
}
