package simulated

import (
	"context"
	"strings"
	"testing"
)

func TestLabStartsAndEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rack, err := Lab(ctx, LabOptions{Dir: t.TempDir(), Network: "127.91", Stuck: []string{"db1"}})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := LabCommand(ctx, rack.Control(), "state db1")
	if err != nil || !strings.Contains(answer, "db1") {
		t.Errorf("%q, %v", answer, err)
	}
	cancel()
	rack.Wait()
}

func TestLabKnowsItsMachines(t *testing.T) {
	_, err := Lab(context.Background(), LabOptions{Dir: t.TempDir(), Network: "127.92", Stuck: []string{"db7"}})
	if err == nil || !strings.Contains(err.Error(), "db7") {
		t.Errorf("%v", err)
	}
}
