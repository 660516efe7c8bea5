// Command down takes the machine on which it runs down, for the rig's test of
// package shutdown. It prints what came of it as one JSON object.
package main

import (
	"context"
	"encoding/json"
	"os"

	"ctys/primitives"
	"ctys/primitives/shutdown"
)

type report struct {
	Accepted shutdown.Accepted
	Kind     primitives.Kind
	Error    string
	Warnings []string
}

func main() {
	var done report
	client := shutdown.New(shutdown.Options{Armed: true,
		Warn: func(message string) { done.Warnings = append(done.Warnings, message) }})
	ctx := context.Background()
	request := shutdown.Request{Method: shutdown.Method(os.Args[2])}
	var err error
	switch os.Args[1] {
	case "announce":
		err = client.Announce(ctx, os.Args[2])
	case "supported":
		err = client.Supported(ctx, request)
	case "do":
		done.Accepted, err = client.Do(ctx, request)
	case "level":
		request = shutdown.Request{Method: shutdown.RunLevel, Level: int(os.Args[2][0] - '0')}
		done.Accepted, err = client.Do(ctx, request)
	}
	if err != nil {
		done.Kind, done.Error = primitives.KindOf(err), err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(done)
}
