package policy

import (
	"fmt"
	"testing"
)

// The delay between announcement and act: POWEROFF's own value, else 30 s; for any
// other method TIMEOUT's, else 20 s; with FORCE none.
func TestHowLongAMachineIsAnnounced(t *testing.T) {
	for _, test := range []struct {
		kind, subopts string
		seconds       int
	}{
		{"pm", "self,poweroff", 30},
		{"pm", "self,poweroff:7", 7},
		{"pm", "self,poweroff:0", 0},
		{"pm", "self,poweroff,timeout:60", 30},
		{"pm", "self,reboot", 20},
		{"pm", "self,reboot,timeout:33", 33},
		{"pm", "self,reset", 20},
		{"pm", "self,init:0,timeout:9", 9},
		{"pm", "self,init:3", 20},
		{"pm", "self,pause", 20},
		{"pm", "self,suspend,timeout:8", 8},
		{"pm", "self,force,poweroff", 0},
		{"pm", "self,force,reboot", 0},
		{"kvm", "all,self,poweroff", 30},
		{"kvm", "all,self,poweroff:6", 6},
		{"kvm", "all,self,reboot", 20},
		{"kvm", "all,self,suspend,timeout:12", 12},
		{"kvm", "all,self,force,poweroff:9", 0},
	} {
		s := methodWorld(t, test.kind, true)
		s.exits(s.cancel(test.kind, test.subopts, "host"), 0)
		s.told(fmt.Sprintf("announced, %d s", test.seconds))
	}
}

// Who is addressed with SELF must be all that the machine takes along.
func TestSelfWithATypeTakesNobodyAlongUnasked(t *testing.T) {
	for _, reach := range []string{"l:a,self,poweroff:0", "all,self,poweroff:0", "all,self,reboot", "all,self,pause"} {
		s := methodWorld(t, "kvm", false)
		s.exits(s.cancel("kvm", reach, "host"), 3)
		s.up("host", "a", "b", "other")
		s.told("SELF would take along what the request leaves on")
	}
}
