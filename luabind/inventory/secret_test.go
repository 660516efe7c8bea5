package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ctys/primitives"
)

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecretSources(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.pw"), "geheim\nsecond line\n", 0o600)
	write(t, filepath.Join(dir, "dos.pw"), "geheim\r\n", 0o640)
	t.Setenv("CTYS_TEST_PW", "geheim")
	for _, ref := range []SecretRef{
		{Source: "file", Name: "a.pw"},
		{Source: "file", Name: filepath.Join(dir, "dos.pw")},
		{Source: "env", Name: "CTYS_TEST_PW"},
		{Source: "command", Argv: []string{"printf", "%s\\n%s", "geheim", "more"}},
		{Source: "command", Argv: []string{"cat", "a.pw"}},
	} {
		if got, err := ref.Resolve(context.Background(), dir); err != nil || got != "geheim" {
			t.Errorf("%s %s: %v", ref.Source, ref.Name, err)
		}
	}
}

func TestSecretsThatCannotBeHad(t *testing.T) {
	dir := t.TempDir()
	open := write(t, filepath.Join(dir, "open pw"), "geheim\n", 0o604)
	write(t, filepath.Join(dir, "empty"), "\ngeheim\n", 0o600)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, test := range []struct {
		ctx  context.Context
		ref  SecretRef
		kind primitives.Kind
		want string
	}{
		{nil, SecretRef{Source: "file", Name: "open pw"}, primitives.Denied, "is open to every account of this machine; run: chmod o= '" + open + "'"},
		{nil, SecretRef{Source: "file", Name: "none"}, primitives.Auth, "does not exist"},
		{nil, SecretRef{Source: "file", Name: "empty"}, primitives.Auth, "the first line of the secret file " + dir + "/empty is empty"},
		{nil, SecretRef{Source: "file", Name: "/dev/null"}, primitives.Denied, "is no regular file"},
		{nil, SecretRef{Source: "env", Name: "CTYS_TEST_NONE"}, primitives.Auth, "CTYS_TEST_NONE is not set or empty"},
		{nil, SecretRef{Source: "command", Argv: []string{"false"}}, primitives.Auth, "the secret's command false failed (run it by hand to see why): exit status 1"},
		{nil, SecretRef{Source: "command", Argv: []string{"true"}}, primitives.Auth, "the secret's command true printed nothing"},
		{nil, SecretRef{Source: "command", Argv: []string{"/no/such/program"}}, primitives.Auth, "/no/such/program failed"},
		{nil, SecretRef{Source: "desk", Name: "a:password"}, primitives.Unreachable, "the secret a:password is on the desk, and there is no connection to it"},
		{nil, SecretRef{}, primitives.Auth, "no secret is set"},
		{canceled, SecretRef{Source: "env", Name: "PATH"}, primitives.Canceled, "the secret was not fetched"},
	} {
		ctx := test.ctx
		if ctx == nil {
			ctx = context.Background()
		}
		_, err := test.ref.Resolve(ctx, dir)
		if err == nil || !strings.Contains(err.Error(), test.want) || primitives.KindOf(err) != test.kind {
			t.Errorf("%s %s: %v (%s), want %s (%s)", test.ref.Source, test.ref.Name, err, primitives.KindOf(err), test.want, test.kind)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("the secret is in %v", err)
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	row := &Row{Password: SecretRef{Source: "command", Argv: []string{"echo", "geheim"}}, Extra: map[string]any{"x": SecretRef{Source: "env", Name: "geheim"}}}
	text, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{fmt.Sprint(row), fmt.Sprintf("%+v", row), fmt.Sprintf("%#v", row.Password), string(text)} {
		if strings.Contains(printed, "geheim") {
			t.Error(printed)
		}
	}
}

func TestSecretIsFetchedOnce(t *testing.T) {
	inv := Empty()
	asked := 0
	inv.Resolver = func(_ context.Context, ref SecretRef, row string) (string, error) {
		if asked++; asked == 1 {
			return "", primitives.Errorf(primitives.Unreachable, "x", "", "no line")
		}
		return ref.Name + "@" + row, nil
	}
	secret := inv.Secret(SecretRef{Source: "desk", Name: "id"}, "lab01")
	if _, err := secret.Reveal(context.Background()); primitives.KindOf(err) != primitives.Unreachable {
		t.Error(err)
	}
	for range 3 {
		if got, err := secret.Reveal(context.Background()); got != "id@lab01" || err != nil {
			t.Error(got, err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	if !inv.Secret(SecretRef{}, "lab01").IsZero() {
		t.Error("no reference makes a secret")
	}
}

func TestSubset(t *testing.T) {
	inv := parseSample(t)
	t.Setenv("WEBPW", "geheim")
	text := inv.Subset([]string{"web1", "bmc-far", "nobody"})
	for _, never := range []string{"WEBPW", "geheim", "lab01.pw", "db1"} {
		if strings.Contains(string(text), never) {
			t.Errorf("%s is shipped:\n%s", never, text)
		}
	}
	far, err := Parse("shipped.lua", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := fmt.Sprint(rowNames(far.Rows())); got != "[lab01 web1 bmc-far]" {
		t.Error(got)
	}
	if got, _ := far.Members("@rack7"); fmt.Sprint(got) != "[lab01 web1]" {
		t.Error(got)
	}
	here, there := inv.Row("lab01"), far.Row("lab01")
	if there.MAC != here.MAC || there.UUID != here.UUID || there.BroadcastPort != 7 || there.Limit != 4 || there.LimitPerHypervisor != 2 || fmt.Sprint(there.Extra) != fmt.Sprint(here.Extra) {
		t.Errorf("%+v", there)
	}
	web := far.Row("web1")
	if web.Deadline != inv.Row("web1").Deadline || web.Stage != 2 || fmt.Sprint(web.Way) != "[agent hypervisor]" || len(web.After) != 0 {
		t.Errorf("%+v", web)
	}
	_, err = far.Resolve(context.Background(), web.Password, "web1")
	if primitives.KindOf(err) != primitives.Unreachable {
		t.Error(err)
	}
	far.Resolver = func(ctx context.Context, ref SecretRef, _ string) (string, error) {
		return inv.ResolveForDesk(ctx, ref.Name)
	}
	if got, err := far.Resolve(context.Background(), web.Password, "web1"); got != "geheim" || err != nil {
		t.Error(got, err)
	}
	if _, err := inv.ResolveForDesk(context.Background(), "web1:nothing"); primitives.KindOf(err) != primitives.Denied {
		t.Error(err)
	}
}

func TestDeskNamesDiffer(t *testing.T) {
	inv, err := Parse("m.lua", []byte(`return { a = { ["own.c"] = secret.env("1"), own = { c = secret.env("2") }, l = { secret.env("3"), { x = secret.env("4") } } } }`))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{`a:own\.c`: "1", "a:own.c": "2", "a:l.1": "3", "a:l.2.x": "4"} {
		if inv.secrets[id].ref.Name != want || !strings.Contains(string(inv.Subset([]string{"a"})), quoted(id)) {
			t.Errorf("%s: %v", id, inv.secrets[id])
		}
	}
}
