//go:build linux

package acceptance

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ctys/primitives/sim/bmc"
)

// The password of a BMC stands in nothing that the program leaves or shows:
// what it writes, the command line of it and of the programs that it starts,
// their environment, the journal, the plan, the cache, the history of the REPL.
func TestThePasswordIsNowhere(t *testing.T) {
	const canary = "can4ry-Passw0rd"
	ctx, cancel := context.WithCancel(context.Background())
	farm := bmc.NewFarm(1)
	model := &bmc.Model{Users: map[string]bmc.Account{"admin": {Password: canary}, "small": {Password: canary, Limit: bmc.User}}}
	if err := farm.AddMany(4, netip.MustParseAddrPort("127.106.150.1:0"), model, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); farm.Wait() })
	if err := farm.Serve(ctx); err != nil {
		t.Fatal(err)
	}

	o := newOperator(t, nil)
	o.extra = []string{"BMC_PASSWORD=" + canary, "WRONG_PASSWORD=" + canary + "x"}
	const own = "own.pw"
	o.keeps(t, own, canary+"\n")
	o.keeps(t, "print.sh", "tr '\\0' '\\n' </proc/self/environ >&2; tr '\\0' ' ' </proc/$PPID/cmdline >&2; tr '\\0' '\\n' </proc/self/environ >"+o.home+"/environ; cat "+filepath.Join(o.home, own)+"\n")
	row := func(n int, user, password string) string {
		address := farm.BMC(bmc.Name(n)).Address
		return fmt.Sprintf("bmc%d = { bmc = { host = %q, port = %d, user = %q, password = %s } },\n", n, address.Addr(), address.Port(), user, password)
	}
	o.has(t, "machines.lua", "return {\n"+row(1, "admin", `secret.env("BMC_PASSWORD")`)+row(2, "admin", `secret.env("WRONG_PASSWORD")`)+
		row(3, "small", fmt.Sprintf("secret.file(%q)", filepath.Join(o.home, own)))+
		row(4, "admin", fmt.Sprintf(`secret.command("sh", %q)`, filepath.Join(o.home, "print.sh")))+"}\n")

	var shown strings.Builder
	call := func(words ...string) {
		fmt.Fprintf(&shown, "%s\n%s", words, o.calls(t, words...))
	}
	for _, verb := range []string{"status", "on", "cycle", "reset", "off", "sensors", "sel", "identify"} {
		call("-v", "power", verb, "bmc[1-4]", "--yes")
	}
	call("--plan", "-v", "power", "off", "bmc[1-4]")
	call("--json", "-v", "power", "on", "bmc[1-4]")
	setPassword := `local row = inventory.machine("bmc1").bmc
		local bmc = ipmi.connect{host = row.host, port = row.port, user = row.user, password = secret.env("BMC_PASSWORD")}
		print(row.password, bmc, bmc:raw{netfn = 6, command = 0x47, data = "\1\2" .. "` + canary[:5] + `" .. "` + canary[5:] + `"}.text)`
	call("-v", "eval", `print(inventory.machine("bmc1").bmc.password) error(ipmi.connect{host = "127.106.150.1", port = 1, password = secret.env("BMC_PASSWORD")}:power_status())`)
	call("eval", `local child = exec.run({"sh", "-c", "tr '\\0' '\\n' </proc/self/environ; tr '\\0' ' ' </proc/$PPID/cmdline"}) print(child.stdout, secret.env("BMC_PASSWORD"))`)
	o.typed = "=inventory.machine('bmc1').bmc\nfor k, v in pairs(inventory.machine('bmc1').bmc) do print(k, v) end\n" +
		"=secret.env('BMC_PASSWORD')\nlocal pw = secret.env('BMC_PASSWORD') print(pw, tostring(pw), exec.run({'env'}).stdout)\n"
	call("repl")
	o.keeps(t, "set.lua", setPassword)
	o.typed = ""
	call("-v", "run", filepath.Join(o.home, "set.lua"))
	call("jobs")
	call("journal")

	if text := shown.String(); strings.Contains(text, canary) || strings.Contains(text, hex.EncodeToString([]byte(canary))) {
		t.Errorf("it is shown:\n%s", text)
	}
	for _, words := range []string{"ipmi.raw", "auth", "on: bmc[1,4]", "denied", "BMC_PASSWORD", "HOME=" + o.home} {
		if !strings.Contains(shown.String(), words) {
			t.Errorf("nothing was tried: %q is missing in\n%s", words, shown.String())
		}
	}
	journals := 0
	err := filepath.WalkDir(o.home, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == own {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(canary)) || bytes.Contains(text, []byte(hex.EncodeToString([]byte(canary)))) {
			t.Errorf("it stands in %s", path)
		}
		if strings.Contains(entry.Name(), "journal") {
			journals++
		}
		return err
	})
	if err != nil || journals == 0 {
		t.Errorf("%d journals, %v", journals, err)
	}
}
