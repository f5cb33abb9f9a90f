package main

import (
	"maps"
	"strconv"
	"time"
)

// createPod is the creation of a pod, by a controller where ownerKind says so,
// logged with its body. account is mounted unless it is empty.
func createPod(at time.Time, who actor, ns, name, ownerKind, owner, image, account string) call {
	meta := map[string]any{"name": name, "namespace": ns, "labels": map[string]any{"app": appOf(owner, name)}}
	if ownerKind != "" {
		meta["ownerReferences"] = []any{map[string]any{
			"apiVersion": map[string]string{"Job": "batch/v1", "ReplicaSet": "apps/v1"}[ownerKind], "kind": ownerKind, "name": owner,
			"uid": uuid(ownerKind, owner), "controller": true, "blockOwnerDeletion": true,
		}}
	}
	spec := map[string]any{
		"restartPolicy": "Never",
		"securityContext": map[string]any{
			"runAsNonRoot": true, "runAsUser": 10001, "seccompProfile": map[string]any{"type": "RuntimeDefault"},
		},
		"containers": []any{map[string]any{
			"name": "main", "image": image,
			"securityContext": map[string]any{"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []string{"ALL"}}},
		}},
	}
	if ownerKind == "ReplicaSet" {
		spec["restartPolicy"] = "Always"
	}
	if account == "" {
		spec["automountServiceAccountToken"] = false
	} else {
		spec["serviceAccountName"] = account
	}
	level := "privileged:latest"
	if ns == "payments" {
		level = "restricted:v1.34"
	}
	return call{
		at: at, who: who, verb: "create", on: pods(ns, name), code: 201, podLevel: level,
		request: map[string]any{"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": spec},
	}
}

// appOf is the label of a pod: the name of its owner, or its own, up to the
// first dash.
func appOf(owner, name string) string {
	if owner == "" {
		owner = name
	}
	for i, r := range owner {
		if r == '-' {
			return owner[:i]
		}
	}
	return owner
}

// answered is the object as the API server stored it: the request with the
// server's metadata.
func answered(i int, c call) any {
	body, ok := c.request.(map[string]any)
	if !ok {
		return nil
	}
	out := maps.Clone(body)
	meta := maps.Clone(body["metadata"].(map[string]any))
	meta["uid"] = uuid("object", i)
	meta["resourceVersion"] = strconv.Itoa(8840000 + 37*i)
	meta["creationTimestamp"] = c.at.UTC().Truncate(time.Second).Format(time.RFC3339)
	out["metadata"] = meta
	if body["kind"] == "Pod" {
		out["status"] = map[string]any{"phase": "Pending", "qosClass": "BestEffort"}
	}
	return out
}
