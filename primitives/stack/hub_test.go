package stack

import (
	"context"
	"strings"
	"testing"
)

func TestSockets(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1000")
	run := func(_ context.Context, host string, _ []string) (string, error) {
		return "/run/user/7 of " + host + "\n", nil
	}
	client := New(Options{Run: run})
	defer client.Close()
	for uri, wanted := range map[string]string{
		"qemu:///system":                      "/var/run/libvirt/virtqemud-sock /var/run/libvirt/libvirt-sock",
		"lxc+ssh://lab01/system":              "/var/run/libvirt/virtlxcd-sock /var/run/libvirt/libvirt-sock",
		"qemu+ssh://lab01/system?socket=/x/y": "/x/y",
		"test:///default":                     "/var/run/libvirt/libvirt-sock",
		"qemu:///session":                     "/run/user/1000/libvirt/virtqemud-sock /run/user/1000/libvirt/libvirt-sock",
		"qemu+ssh://lab01/session":            "/run/user/7 of lab01/libvirt/virtqemud-sock /run/user/7 of lab01/libvirt/libvirt-sock",
	} {
		to, err := parseURI(uri)
		if err != nil {
			t.Fatal(err)
		}
		got, err := newHub(client, to).sockets(context.Background())
		if err != nil || strings.Join(got, " ") != wanted {
			t.Errorf("%s is looked for at %v, %v", uri, got, err)
		}
	}
}
