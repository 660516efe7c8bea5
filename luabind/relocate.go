package luabind

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"ctys/luabind/inventory"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/shutdown"
)

// Relocator takes policy to where the power is. The desk's does it over SSH,
// an agent's asks its desk to do it, a simulated one runs a runtime with the
// powers of the simulated machine.
type Relocator interface {
	// Run carries an order out on its machine and gives what the script's
	// function returned, as plain data. Events are told while they come.
	Run(ctx context.Context, order Order, events func(Event)) (any, error)
	// ShutDown logs in to a machine and asks for the method with the system's
	// own commands.
	ShutDown(ctx context.Context, machine Machine, request shutdown.Request) error
	// Carry tells of each machine whether it carries guests, or may; one that
	// could not be looked at is not among them.
	Carry(ctx context.Context, machines []string) (map[string]bool, error)
	// Login proves that an account is let in on a machine, and does nothing there.
	Login(ctx context.Context, machine Machine) error
	// Console gives the operator's terminal a login on a machine and returns
	// the exit status of its shell.
	Console(ctx context.Context, machine Machine) (int, error)
}

// Machine is how a machine is reached from the desk.
type Machine struct {
	Name string   `json:"name"`           // in the inventory, or as typed
	User string   `json:"user,omitempty"` // empty: the inventory's, else ssh_config's
	Via  []string `json:"via,omitempty"`  // machines to jump through, outermost first

	ForwardAgent bool `json:"forward_agent,omitempty"` // a console there may use the operator's SSH agent
}

// Order is a script's function to be called on another machine.
type Order struct {
	Machine   Machine           `json:"machine"`
	Script    string            `json:"script"`   // "cancel"
	Function  string            `json:"function"` // field of the script's table
	Request   any               `json:"request"`  // its argument
	Modules   map[string]string `json:"modules"`  // site's own scripts and modules, by file name
	Inventory string            `json:"inventory"`

	// Machines is Inventory for a machine that is simulated in this process, and
	// History what an earlier run has left behind about it: such a machine has no
	// job of its own.
	Machines *inventory.Inventory `json:"-"`
	History  *journal.History     `json:"-"`
	Kept     bool                 `json:"-"` // the caller keeps what is told

	Settings  map[string]any `json:"settings"`
	Authority Authority      `json:"authority"`
	Plan      bool           `json:"plan,omitempty"`
	Yes       bool           `json:"yes,omitempty"`
	MayDown   bool           `json:"may_down,omitempty"` // the machine itself may be taken down
	Deadline  time.Duration  `json:"deadline,omitempty"` // of the whole; 0: none

	// Key names the order in the caller's journal, and Resume is the job there that
	// an earlier run of the caller has given it to. Again says that the earlier run
	// has heard how that ended: it is carried out once more, by what it has kept.
	// Once says that it had begun what must not be done twice.
	Key    string `json:"key,omitempty"`
	Resume string `json:"resume,omitempty"`
	Again  bool   `json:"again,omitempty"`
	Once   bool   `json:"once,omitempty"`

	// NoJournal is why the caller keeps no journal although one is due: what
	// takes power away is refused then.
	NoJournal string `json:"no_journal,omitempty"`
}

// maxShipped bounds the site's own modules that travel with an order.
const maxShipped = 1 << 20

// newOrder completes an order with what travels with it: beside the machine's
// family in the inventory the further rows.
func (rt *Runtime) newOrder(machine Machine, script, function string, request any, rows []string) (Order, error) {
	modules, total, err := SiteScripts(rt.options.Path)
	if err != nil {
		return Order{}, primitives.Wrap("action.at", "", "the site's scripts cannot be read", err)
	}
	if total > maxShipped {
		return Order{}, primitives.Errorf(primitives.Invalid, "action.at", "",
			"the site's scripts are %d bytes together; at most %d travel to another machine", total, maxShipped)
	}
	members := append(rt.family(machine.Name), rows...)
	order := Order{
		Machine: machine, Script: script, Function: function, Request: request, Modules: modules,
		Machines: rt.options.Inventory.Part(members), Settings: rt.options.Settings, Authority: rt.authority, Plan: rt.options.Plan, Yes: rt.options.Yes,
	}
	if rt.virtual == nil {
		order.Inventory = string(rt.options.Inventory.Subset(members))
		return order, nil
	}
	order.Kept = rt.options.Journal != nil || rt.options.Kept
	if rt.options.History != nil {
		order.History = rt.options.History.Of(machine.Name)
	}
	// On a simulated clock every machine is in this process, its desk too.
	order.Machines.Resolver = func(ctx context.Context, ref inventory.SecretRef, _ string) (string, error) {
		return rt.options.Inventory.ResolveForDesk(ctx, ref.Name)
	}
	return order, nil
}

// family is a machine with everything that the inventory places on it.
func (rt *Runtime) family(name string) []string {
	if rt.options.Inventory.Row(name) == nil {
		return nil
	}
	members := []string{name}
	for i := 0; i < len(members); i++ {
		for _, child := range rt.options.Inventory.Children(members[i]) {
			members = append(members, child.Name)
		}
	}
	return members
}

// SiteScripts reads every script and module of a site, by its file name, and
// gives their size together; the first in the path wins. What Find would not find
// is left out: hidden files, such as those of an editor, and links to nothing.
func SiteScripts(searchPath []fs.FS) (texts map[string]string, total int, err error) {
	texts = map[string]string{}
	for _, dir := range searchPath {
		err := fs.WalkDir(dir, ".", func(name string, entry fs.DirEntry, err error) error {
			switch hidden := name != "." && strings.HasPrefix(path.Base(name), "."); {
			case err == nil && hidden && entry.IsDir():
				return fs.SkipDir
			case err != nil || hidden || entry.IsDir() || !strings.HasSuffix(name, ".lua") || isData(name):
				return err
			}
			if _, shadowed := texts[name]; shadowed {
				return nil
			}
			text, err := fs.ReadFile(dir, name)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			texts[name] = string(text)
			total += len(text)
			return err
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return texts, total, nil
}

// isData tells the site's data, which does not travel whole, from its scripts.
func isData(name string) bool { return name == "machines.lua" || name == "site.lua" }
