package ingest

import (
	"cmp"
	"time"

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
	open: func() reader { return &lazy{"cloudtrail", notCloudTrail, cloudtrailTime, fillCloudTrail} },
}

func notCloudTrail(v *fastjson.Value) string {
	if !has(v, fastjson.TypeString, "eventSource", "eventName") {
		return "not a CloudTrail event: no eventSource and eventName"
	}
	return ""
}

func cloudtrailTime(v *fastjson.Value) time.Time { return instantAt(v, "eventTime") }

func fillCloudTrail(ev *model.Event, v *fastjson.Value, _ string) {
	ev.Key = str(v, "eventID")
	ev.Actor = awsActor(v.Get("userIdentity"))
	ev.Identity = awsIdentity(v.Get("userIdentity"))
	ev.Action = str(v, "eventName")
	ev.Address = str(v, "sourceIPAddress")
	ev.Assets = distinct(ev.Identity)
}

// awsActor is who signed the request: the ARN, else a name, an account or the
// service of AWS that acted.
func awsActor(who *fastjson.Value) string {
	if who == nil {
		return ""
	}
	return cmp.Or(str(who, "arn"), str(who, "userName"), str(who, "principalId"), str(who, "invokedBy"), str(who, "accountId"), str(who, "type"))
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
