package notify_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify"
	"github.com/scantling/scantling/notify/format"
	"github.com/scantling/scantling/notify/sink"
	"github.com/scantling/scantling/store"
)

// What records alerts puts what is owed into the same batch, and wakes the
// deliverer that runs beside it.
func Example() {
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	dir, err := os.MkdirTemp("", "notify")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	data, err := store.Open(ctx, filepath.Join(dir, "scantling.db"))
	if err != nil {
		panic(err)
	}
	defer data.Close()

	path := filepath.Join(dir, "alerts.cef")
	outputs, err := notify.Open([]notify.Config{{Name: "siem", Config: sink.Config{To: "cef+file:" + path}}}, format.Options{Version: "1"})
	if err != nil {
		panic(err)
	}
	d := notify.New(data, outputs, notify.Options{})
	defer d.Close()
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()

	alert := model.Alert{ID: "fd860736a71e1938", Rule: "D101", Title: "Command run inside a running container", Level: model.Medium, Time: time.Unix(1e9, 0)}
	owed, err := d.Writes(alert)
	if err != nil {
		panic(err)
	}
	record := model.Write{Record: model.Record{Kind: "alert", Key: alert.ID}, If: model.IfAbsent}
	if err := data.Apply(ctx, append(owed, record)); err != nil {
		panic(err)
	}
	d.Wake()

	for ctx.Err() == nil {
		if text, _ := os.ReadFile(path); len(text) > 0 {
			fmt.Println(strings.SplitN(string(text), " ", 2)[0])
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		panic(err)
	}
	// Output: CEF:0|Scantling|Scantling|1|D101|Command
}
