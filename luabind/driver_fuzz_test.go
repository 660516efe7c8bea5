package luabind

import (
	"context"
	"slices"
	"testing"

	"ctys/primitives/exec"
)

// FuzzDrivers has the tool of each stock driver print anything: its guests are
// read or an error, each with a name and a UUID of its own, and off by no other
// word than one that means it.
func FuzzDrivers(f *testing.F) {
	for i, test := range stockLists {
		f.Add(i, recorded(f, test.file).Stdout, 0)
	}
	f.Add(6, recorded(f, "vbox-showvminfo.txt").Stdout, 0)
	f.Add(0, `[{"Id":"x","Names":[{}],"State":{}},null,7,[]]`, 0)
	f.Add(3, "NAME STATE PID AUTOSTART\n", 125)
	with := &tools{answers: map[string]exec.Result{}}
	host := driven(with, pduSite)
	f.Fuzz(func(t *testing.T, which int, output string, exit int) {
		test := stockLists[uint(which)%uint(len(stockLists))]
		d := openStock(t, host, test.driver)
		answer := exec.Result{Stdout: output, Exit: exit}
		with.answers = map[string]exec.Result{test.program: answer, "VBoxManage": answer}
		listed, err := d.List(context.Background(), "test")
		if err != nil {
			return
		}
		if exit != 0 {
			t.Errorf("%s: exit status %d is taken for an answer", test.driver, exit)
		}
		seen := map[string]bool{}
		for _, guest := range listed {
			if guest.Name == "" || len(guest.UUID) != 36 || seen[guest.UUID] {
				t.Errorf("%s: %+v", test.driver, guest)
			}
			seen[guest.UUID] = true
			word, _ := guest.Native.(map[string]any)["status"].(string)
			if meant, known := d.states[word]; !slices.Contains(guestStates(), string(guest.State)) && guest.Cause == "" || known && guest.State != meant {
				t.Errorf("%s: the word %q became %s (%s)", test.driver, word, guest.State, guest.Cause)
			}
		}
	})
}
