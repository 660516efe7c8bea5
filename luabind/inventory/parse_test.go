package inventory

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
)

const sample = `-- a site of three
local vms = "/srv/vms"
return {
  lab01 = {
    address = "10.0.0.5", mac = "52-54-00-12-34-56",
    uuid = "4C4C4544005130108053B4C04F4D4E31",
    hypervisors = { "xen" }, become = "sudo", user = "root", port = 2222,
    identity = "~/.ssh/lab", interface = "eth0",
    broadcast = "10.0.0.255", broadcast_port = 7, limit = 4, limit_per_hypervisor = 2,
    bmc = { host = "10.0.1.5", port = 623, user = "admin", password = secret.file("lab01.pw"), cipher = 3 },
    rack = 7, tags = { "a", "b" }, site = { floor = "2", hot = true },
  },
  db1  = { parent = "lab01", address = "db1.example.org", path = vms .. "/db1/db1.conf" },
  web1 = { label = "Web", parent = "lab01", address = "10.0.0.21", deadline = 120.5, after = { "db1" }, at_deadline = "destroy", stage = 2, way = { "agent", "hypervisor" },
           path = vms .. "/web1/web1.conf", password = secret.env("WEBPW") },
  ["bmc-far"] = { address = "10.0.9.9", bmc = { host = "10.0.1.9", via = "lab01", password = secret.command("pass", "show", "far") } },
  ["@rack7"] = { "lab01", "web1" },
  ["@both"]  = { "@rack7", "db1", "!web1" },
}
`

func parseSample(t *testing.T) *Inventory {
	t.Helper()
	inv, err := Parse("/etc/ctys/machines.lua", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func TestParseReadsEveryField(t *testing.T) {
	inv := parseSample(t)
	mac, _ := primitives.ParseMAC("52:54:00:12:34:56")
	want := &Row{
		Machine: primitives.Machine{
			Name: "lab01", Address: "10.0.0.5", MAC: mac, UUID: "4c4c4544-0051-3010-8053-b4c04f4d4e31",
			Hypervisors: []string{"xen"}, Become: "sudo",
		},
		Record: 1, Line: 4, User: "root", Port: 2222, Identity: "~/.ssh/lab", Interface: "eth0",
		Broadcast: "10.0.0.255", BroadcastPort: 7, Limit: 4, LimitPerHypervisor: 2,
		BMC: &BMC{
			Host: "10.0.1.5", Port: 623, User: "admin",
			Password: SecretRef{Source: "file", Name: "lab01.pw"}, Extra: map[string]any{"cipher": 3.0},
		},
		Extra: map[string]any{
			"rack": 7.0, "tags": []any{"a", "b"}, "site": map[string]any{"floor": "2", "hot": true},
		},
	}
	if got := inv.Row("lab01"); !reflect.DeepEqual(got, want) {
		t.Errorf("lab01:\n got %+v\nwant %+v", got, want)
	}
	web := inv.Row("web1")
	if web.Stage != 2 || !slices.Equal(web.Way, []string{"agent", "hypervisor"}) {
		t.Errorf("web1 %+v", web)
	}
	if web.Deadline != 120500*time.Millisecond || web.AtDeadline != "destroy" || web.Parent != "lab01" ||
		web.Path != "/srv/vms/web1/web1.conf" || web.Become != "none" || web.Line != 14 || web.Record != 3 {
		t.Errorf("web1: %+v", web)
	}
	if got := inv.Row("bmc-far").BMC.Password.Argv; !reflect.DeepEqual(got, []string{"pass", "show", "far"}) {
		t.Errorf("command: %q", got)
	}
	if inv.Dir != "/etc/ctys" || inv.Row("nobody") != nil {
		t.Errorf("dir %q", inv.Dir)
	}
}

func TestOrderChildrenAndGroups(t *testing.T) {
	inv := parseSample(t)
	if got := fmt.Sprint(rowNames(inv.Rows())); got != "[lab01 db1 web1 bmc-far]" {
		t.Error(got)
	}
	if got := fmt.Sprint(rowNames(inv.Children("lab01"))); got != "[db1 web1]" {
		t.Error(got)
	}
	if got := fmt.Sprint(inv.Groups()); got != "[@rack7 @both]" {
		t.Error(got)
	}
	for group, want := range map[string]string{
		"@rack7": "[lab01 web1]", "@both": "[lab01 db1]", All: "[lab01 db1 web1 bmc-far]",
	} {
		if got, found := inv.Members(group); !found || fmt.Sprint(got) != want {
			t.Errorf("%s: %v %v, want %s", group, got, found, want)
		}
	}
	if _, found := inv.Members("@none"); found {
		t.Error("@none was found")
	}
}

func rowNames(rows []*Row) []string {
	var names []string
	for _, row := range rows {
		names = append(names, row.Name)
	}
	return names
}

func TestRowsMadeByALoop(t *testing.T) {
	inv, err := Parse("m.lua", []byte(`
local all = {}
local function row(n)
  return { address = "10.1.0." .. n }
end
for n = 1, 3 do all["node" .. n] = row(n) end
return all`))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(rowNames(inv.Rows())); got != "[node1 node2 node3]" || inv.Row("node2").Line != 4 {
		t.Error(got, inv.Row("node2").Line)
	}
}

// Each broken line stands for a file: the error must be Invalid and say file,
// line and what is accepted.
func TestMalformed(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"no table", `lab01 = { address = "10.0.0.5" }`, "m.lua:1: the file must `return` one table, and returns nothing"},
		{"text", `return "lab01"`, "m.lua:1: the file must `return` one table, and returns text"},
		{"two values", `return {}, {}`, "m.lua:1: the file must `return` one table, and returns 2 values"},
		{"syntax", "return {\n  lab01 = { address = \"10.0.0.5\" }\n  web1 = {},\n}", `m.lua:3: syntax error near "web1" (is a comma or a bracket missing before it?)`},
		{"open bracket", "return {\n  lab01 = {\n", "m.lua:3: syntax error at the end of the file"},
		{"open quote", "return {\n lab01 = { address = \"10.0.0.5 },\n}", `m.lua:2: a text is not closed by a quote: 10.0.0.5 },`},
		{"bytecode", "\x1bLua\x51\x00", "m.lua:1: this is compiled Lua; only source text is read"},
		{"endless", "local n = 0\nwhile true do n = n + 1 end\nreturn {}", "m.lua:2: the file has not ended after 10,000,000 steps"},
		{"endless function", "local function f() return { f() } end\nreturn f()", "m.lua:1: a function in it calls itself without end"},
		{"doubling", "local s = \"x\"\nfor i = 1, 40 do s = s .. s end\nreturn {}", "m.lua:2: `..` makes a text longer than 65536 bytes"},
		{"huge index", "local t = {}\nt[60000000 + 1] = 1\nreturn t", "m.lua:2: index 60000001 is larger than 1048576"},
		{"iterator", "for k in 1 do end return {}", "m.lua:1: `for … in` is not available here"},
		{"no os", "return {\n lab01 = { address = os.getenv(\"X\") },\n}", "m.lua:2: `os` is not defined here: text stands in quotes"},
		{"no require", `require "x"`, "m.lua:1: `require` is not defined here"},
		{"no quotes", "return {\n\n lab01 = { interface = eth0 } }", "m.lua:3: `eth0` is not defined here: text stands in quotes"},
		{"no such secret", `return { a = { password = secret.prompt("x") } }`, "m.lua:1: there is no secret.prompt here: only secret.file, secret.env and secret.command"},
		{"secret of a number", "return {\n a = { password = secret.file(7) } }", `m.lua:2: secret.file takes one text: secret.file("name")`},
		{"empty command", "return { a = { password = secret.command() } }", "m.lua:1: secret.command takes the words of a command line"},
		{"open password", "return {\n a = { bmc = { host = \"h\",\n password = \"geheim\" } } }", "m.lua:3: a.bmc: password must be secret.file"},
		{"double name", "return {\n lab01 = {},\n web1 = {},\n lab01 = {},\n}", `m.lua:4: "lab01" stands twice in this table, first in line 2`},
		{"double key", "return {\n lab01 = { address = \"a\",\n address = \"b\" } }", `m.lua:3: "address" stands twice in this table, first in line 2`},
		{"no name", "return {\n { address = \"10.0.0.5\" } }", "m.lua:2: a table stands without a name"},
		{"bad name", "return {\n [\"lab 01\"] = {} }", `m.lua:2: "lab 01" is no name for a machine (accepted: letters`},
		{"range as name", "return { [\"n[1-3]\"] = {} }", `m.lua:1: "n[1-3]" is no name for a machine`},
		{"no row", "return {\n lab01 = \"10.0.0.5\" }", `m.lua:2: lab01 must be a table, { … }, and is "10.0.0.5"`},
		{"function", "return {\n lab01 = function() end }", "m.lua:2: the file is data: a function is no value here"},
		{"gap", "return { [\"@x\"] = { \"a\", nil, \"b\" } }", "m.lua:1: a list has a gap: index 3 comes after 1"},
		{"boolean key", "return { [true] = {} }", "m.lua:1: a key must be text, and is true"},
		{"circle of tables", "local t = {}\nt.x = t\nreturn { a = t }", "m.lua:1: more than 16 levels of tables"},
		{"infinite", "return { a = {\n height = 1/0 } }", "m.lua:2: a number must be finite"},
		{"slip", "return {\n lab01 = {\n adress = \"10.0.0.5\" } }", `m.lua:3: lab01: unknown key "adress": did you mean "address"?`},
		{"slip of case", "return { a = { MAC = \"x\" } }", `m.lua:1: a: unknown key "MAC": did you mean "mac"?`},
		{"slip of plural", "return { a = { hypervisor = \"xen\" } }", `m.lua:1: a: unknown key "hypervisor": did you mean "hypervisors"?`},
		{"slip in bmc", "return { a = { bmc = { hots = \"x\" } } }", `m.lua:1: a.bmc: unknown key "hots": did you mean "host"?`},
		{"no key", "return { a = {\n \"10.0.0.5\" } }", `m.lua:2: a: "10.0.0.5" stands without a key (fields are written NAME = VALUE)`},
		{"number for text", "return { a = { address = 10 } }", "m.lua:1: a: address must be text in quotes, and is 10"},
		{"empty text", "return { a = { address = \"\" } }", `m.lua:1: a: address must be one line of text that is not empty, and is ""`},
		{"address", "return { a = {\n address = \"10.0.0.300\" } }", `m.lua:2: a: address "10.0.0.300" is no address: it looks like an IPv4 address and is none (accepted: 10.0.0.5,`},
		{"address with port", "return { a = { address = \"10.0.0.5:22\" } }", `address "10.0.0.5:22" is no address: a port does not belong into it`},
		{"address with blank", "return { a = { address = \"lab 01\" } }", `address "lab 01" is no address: it is neither an IP address nor a host name`},
		{"uuid", "return { a = {\n uuid = \"1234\" } }", `m.lua:2: a: uuid "1234" is no UUID: it has not 32 hexadecimal digits`},
		{"uuid of firmware", "return { a = { uuid = \"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\" } }", "firmware writes this where none is set"},
		{"port", "return { a = { port = 70000 } }", "m.lua:1: a: port must be a port from 1 to 65535, and is 70000"},
		{"port fraction", "return { a = { port = 22.5 } }", "m.lua:1: a: port must be a whole number, and is 22.5"},
		{"port text", "return { a = { port = \"22\" } }", `m.lua:1: a: port must be a port from 1 to 65535, and is "22"`},
		{"become", "return { a = { become = \"root\" } }", `m.lua:1: a: become must be none, sudo, doas or ksu, and is "root"`},
		{"deadline", "return { a = { deadline = 0 } }", "m.lua:1: a: deadline must be seconds above 0 to 604800, and is 0"},
		{"deadline word", "return { a = { deadline = \"2m\" } }", `m.lua:1: a: deadline must be seconds above 0 to 604800, and is "2m"`},
		{"at_deadline", "return { a = { at_deadline = \"kill\" } }", `m.lua:1: a: at_deadline must be destroy or stop, and is "kill"`},
		{"path", "return { a = { path = \"vm.conf\" } }", `m.lua:1: a: path must be an absolute path, and is "vm.conf"`},
		{"hypervisors", "return { a = { hypervisors = \"xen\" } }", `m.lua:1: a: hypervisors must be a list of texts, { "a", "b" }, and is "xen"`},
		{"hypervisors inside", "return { a = { hypervisors = { \"xen\", 7 } } }", "m.lua:1: a: hypervisors must be a list of texts, and has 7 in it"},
		{"bmc", "return { a = { bmc = \"10.0.1.5\" } }", `m.lua:1: a: bmc must be a table, { … }, and is "10.0.1.5"`},
		{"bmc without host", "return { a = {\n bmc = { user = \"admin\" } } }", "m.lua:2: a.bmc: host is missing"},
		{"mixed table", "return { a = { own = { 1, b = 2 } } }", "m.lua:1: a: own has both list items and named fields"},
		{"no parent", "return {\n a = {},\n b = {\n parent = \"c\" } }", `m.lua:4: b: the parent "c" is no machine of this inventory`},
		{"own parent", "return { a = { parent = \"a\" } }", "m.lua:1: a carries itself: a > a"},
		{"parent circle", "return {\n a = { parent = \"b\" },\n b = { parent = \"c\" },\n c = { parent = \"a\" } }", "m.lua:2: a carries itself: a > b > c > a"},
		{"after", "return { a = { after = { \"x\" } } }", `m.lua:1: a: after names "x", which is no machine of this inventory`},
		{"after circle", "return { a = { after = { \"b\" } },\n b = { after = { \"a\" } } }", "m.lua:1: a waits for itself: a > b > a"},
		{"stage", "return { a = { stage = 0 } }", "m.lua:1: a: stage must be a number from 1 to 1000, and is 0"},
		{"stage of parts", "return { a = { stage = 1.5 } }", "m.lua:1: a: stage must be a whole number, and is 1.5"},
		{"way", "return { a = { way = { \"inside\",\n \"acpi\" } } }", `m.lua:1: a: way must be inside, agent or hypervisor, and has "acpi"`},
		{"way twice", "return { a = { way = { \"agent\", \"agent\" } } }", `m.lua:1: a: way has "agent" twice`},
		{"way of a number", "return { a = { way = 3 } }", "m.lua:1: a: way must be a list of texts"},
		{"limit", "return { a = { limit = -1 } }", "m.lua:1: a: limit must be a number from 1 to 100000, and is -1"},
		{"via", "return { a = { bmc = { host = \"h\", via = \"x\" } } }", `m.lua:1: a.bmc: via names "x", which is no machine of this inventory`},
		{"two macs", "return {\n a = { mac = \"52:54:00:12:34:56\" },\n b = { mac = \"525400123456\" } }", "m.lua:3: b has the mac 52:54:00:12:34:56, which a (line 2) has too"},
		{"two uuids", "return {\n a = { uuid = \"4c4c4544-0051-3010-8053-b4c04f4d4e31\" },\n b = { uuid = \"4C4C4544005130108053B4C04F4D4E31\" } }", "m.lua:3: b has the uuid 4c4c4544-0051-3010-8053-b4c04f4d4e31, which a (line 2) has too"},
		{"two addresses", "return {\n a = { address = \"Lab01.example.org\" },\n b = { address = \"lab01.example.org.\" } }", "m.lua:3: b has the address lab01.example.org., which a (line 2) has too"},
		{"group of all", "return { [\"@all\"] = {} }", "m.lua:1: @all is the group of every machine and cannot be defined"},
		{"group name", "return { [\"@\"] = {} }", `m.lua:1: "@" is no name for a group`},
		{"group with field", "return { [\"@x\"] = { a = 1 } }", "m.lua:1: @x: a group is a list of names"},
		{"group of numbers", "return { [\"@x\"] = {\n 7 } }", "m.lua:2: @x: a member must be a name in quotes, and is 7"},
		{"group member", "return {\n a = {},\n [\"@x\"] = {\n \"a\",\n \"b\" } }", `m.lua:5: @x: the member "b" is no machine of this inventory`},
		{"group range", "return { n1 = {},\n [\"@x\"] = { \"n[1-2]\" } }", `m.lua:2: @x: the member "n2" is no machine of this inventory`},
		{"bad group range", "return { n1 = {},\n [\"@x\"] = { \"n[1-\" } }", `m.lua:2: @x: "[" is not closed by "]"`},
		{"group of group", "return { [\"@x\"] = { \"@y\" } }", "m.lua:1: @x: there is no group @y here"},
		{"group circle", "return {\n [\"@x\"] = { \"@y\" },\n [\"@y\"] = { \"@x\" } }", "m.lua:2: @x contains itself: @x > @y > @x"},
		{"deep", "return " + strings.Repeat("{", 200) + strings.Repeat("}", 200), "m.lua:1: more than 100 levels of nesting"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("m.lua", []byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got  %v\nwant %s", err, test.want)
			}
			if primitives.KindOf(err) != primitives.Invalid {
				t.Errorf("kind %s", primitives.KindOf(err))
			}
		})
	}
}

func TestMalformedMAC(t *testing.T) {
	for _, mac := range []string{
		"x", "52:54:00:12:34", "52:54:00:12:34:56:78", "52:54:00:12:34:5g", "52:54:00-12:34:56",
		"52:54:00:12:34:", ":54:00:12:34:56", "525:4:00:12:34:56", "5254.0012", "5254.0012.345", "5254.0012.34567",
		"5254001234567", "52540012345", "0x52540012345", "52 54 00 12 34 56", "52:54:00:12:34:-6",
		"52-54-00-12-34", "52_54_00_12_34_56", "zz:zz:zz:zz:zz:zz", "52:54:00:12:34:56 ", "００:11:22:33:44:55",
		"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01",
	} {
		text := fmt.Sprintf("return {\n a = {\n mac = %s } }", quoted(mac))
		_, err := Parse("m.lua", []byte(text))
		if err == nil || !strings.Contains(err.Error(), "m.lua:3: a: mac "+quoted(mac)+" is ") {
			t.Errorf("%q: %v", mac, err)
		}
	}
}

func TestAThousandRows(t *testing.T) {
	var b strings.Builder
	b.WriteString("return {\n")
	const n = 1000
	for i := 0; i < n; i++ {
		fmt.Fprintf(&b, "bmc%03d = { address = \"10.0.%d.%d\", mac = \"52:54:00:00:%02x:%02x\", bmc = { host = \"10.1.%d.%d\", user = \"admin\", password = secret.file(\"%d.pw\") } },\n",
			i, i/256, i%256, i/256, i%256, i/256, i%256, i)
	}
	b.WriteString("[\"@all-bmcs\"] = { \"bmc[000-999]\" } }\n")
	inv, err := Parse("m.lua", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if members, _ := inv.Members("@all-bmcs"); len(inv.Rows()) != n || len(members) != n {
		t.Errorf("%d rows, %d members", len(inv.Rows()), len(members))
	}
	if inv.Row("bmc500").Line != 502 {
		t.Errorf("line %d", inv.Row("bmc500").Line)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("return { a = { own = { \"x\", { y = 1.5 } } }, [\"@g\"] = { \"a\", \"!a\" } }")
	f.Add("return { [\"a\"] = { password = secret.command{\"x\"} } }")
	f.Add("local t = {} t[1] = 2 return t")
	f.Fuzz(func(t *testing.T, text string) {
		inv, err := Parse("m.lua", []byte(text))
		if err != nil {
			if primitives.KindOf(err) != primitives.Invalid || !strings.Contains(err.Error(), "m.lua:") {
				t.Fatalf("%v", err)
			}
			return
		}
		// What was read can be shipped, and reads back as the same rows.
		all, _ := inv.Members(All)
		shipped, err := Parse("s.lua", inv.Subset(all))
		if err != nil {
			t.Fatalf("subset: %v\n%s", err, inv.Subset(all))
		}
		if again := shipped.Subset(all); string(again) != string(inv.Subset(all)) {
			t.Fatalf("not the same:\n%s\n%s", inv.Subset(all), again)
		}
	})
}
