//go:build linux

package stack_test

import (
	"fmt"
	"sync"
	"testing"

	"ctys/primitives/stack"
)

// testDomain is the one guest that libvirt's test driver begins with.
const testDomain = "6695eb01-f6a4-8304-79aa-97f2502e193f"

func TestDriverTestDoesAllVerbs(t *testing.T) {
	client := newClient(t)
	ctx := within(t, bootTime)
	guest := stack.Ref{URI: libvirtd(t).URI("test"), UUID: testDomain}
	list, err := client.List(ctx, guest.URI)
	ok(t, err)
	if len(list) != 1 || list[0].UUID != testDomain || list[0].Type != "test" || list[0].State != stack.Running {
		t.Fatalf("list is %+v", list)
	}
	for _, step := range []struct {
		name string
		do   func() error
		then stack.State
	}{
		{"suspend", func() error { return client.Suspend(ctx, guest) }, stack.Paused},
		{"resume", func() error { return client.Resume(ctx, guest) }, stack.Running},
		{"shutdown", func() error { return client.Shutdown(ctx, guest, stack.ModeACPI) }, stack.Off},
		{"start", func() error { return client.Start(ctx, guest) }, stack.Running},
		{"managed save", func() error { return client.ManagedSave(ctx, guest) }, stack.Saved},
		{"start from the image", func() error { return client.Start(ctx, guest) }, stack.Running},
		{"destroy", func() error { return client.Destroy(ctx, guest) }, stack.Off},
		{"start again", func() error { return client.Start(ctx, guest) }, stack.Running},
	} {
		ok(t, step.do())
		seen, err := client.Await(ctx, guest, step.then)
		ok(t, err)
		if seen.State != step.then {
			t.Fatalf("after %s it is %s", step.name, seen.State)
		}
	}
}

// A thousand callers share the connections.
func TestManyCallers(t *testing.T) {
	client := newClient(t)
	ctx := within(t, bootTime)
	guest := stack.Ref{URI: libvirtd(t).URI("test"), UUID: testDomain}
	var all sync.WaitGroup
	failures := make(chan error, 1000)
	for range cap(failures) {
		all.Go(func() {
			seen, err := client.Inspect(ctx, guest)
			if err == nil && seen.Name != "test" {
				err = fmt.Errorf("saw %+v", seen)
			}
			if err != nil {
				failures <- err
			}
		})
	}
	all.Wait()
	select {
	case err := <-failures:
		t.Fatalf("%d of %d failed, one with: %v", len(failures)+1, cap(failures), err)
	default:
	}
}

// Each of many who wait for the same guest sees it.
func TestManyWaiters(t *testing.T) {
	client := newClient(t)
	ctx := within(t, bootTime)
	guest := stack.Ref{URI: libvirtd(t).URI("test"), UUID: testDomain}
	var all sync.WaitGroup
	failures := make(chan error, 200)
	for range cap(failures) {
		all.Go(func() {
			if _, err := client.Await(ctx, guest, stack.Off); err != nil {
				failures <- err
			}
		})
	}
	ok(t, client.Destroy(ctx, guest))
	all.Wait()
	if len(failures) > 0 {
		t.Errorf("%d did not see it, one with: %v", len(failures), <-failures)
	}
	ok(t, client.Start(ctx, guest))
}
