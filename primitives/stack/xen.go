package stack

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ctys/primitives"
)

// saveFolder is where the service xendomains looks for images of guests at the
// host's boot (XENDOMAINS_SAVE). It takes each file there whose name does not
// begin with a dot.
const saveFolder = "/var/lib/xen/save/"

// xen is the backend for Xen, by its program xl.
type xen struct {
	client *Client
	uri    string
	host   string
}

func (x *xen) xl(ctx context.Context, args ...string) (string, error) {
	return x.run(ctx, append([]string{"xl"}, args...)...)
}

func (x *xen) run(ctx context.Context, argv ...string) (string, error) {
	out, err := x.client.run(ctx, x.host, argv)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return out, err
}

// problem makes an Error of a failed call.
func (x *xen) problem(op, what string, err error) error {
	if err == nil {
		return nil
	}
	kind, text := primitives.KindOf(err), err.Error()
	switch {
	case errors.Is(err, errAbsent):
		kind = primitives.Invalid
	case strings.Contains(text, "Permission denied"), strings.Contains(text, "must be root"), strings.Contains(text, "privileged command interface"):
		kind = primitives.Denied
		what = joinWords(what, "xl needs root on the host (become = \"sudo\" for it)")
	case strings.Contains(text, "not supported"), strings.Contains(text, "not implemented"), strings.Contains(text, "PV control interface not available"):
		kind = primitives.Unsupported
	}
	return &primitives.Error{Kind: kind, Op: op, Host: x.uri, Message: what, Cause: err}
}

// domains lists what exists, Domain-0 included. The table is what counts: the
// JSON leaves out domains whose configuration xl cannot find.
func (x *xen) domains(ctx context.Context) ([]xlDomain, error) {
	table, err := x.xl(ctx, "list", "-v")
	if err != nil {
		return nil, err
	}
	return parseXLList(table)
}

func (x *xen) list(ctx context.Context, op string) ([]Guest, error) {
	domains, err := x.domains(ctx)
	if err != nil {
		return nil, x.problem(op, "", err)
	}
	details, err := x.details(ctx)
	if err != nil {
		return nil, x.problem(op, "", err)
	}
	var guests []Guest
	for _, domain := range domains {
		if domain.id != 0 {
			guests = append(guests, x.guest(domain, details))
		}
	}
	return guests, nil
}

// details are the configurations by run-time id.
func (x *xen) details(ctx context.Context) (map[int]xlConfig, error) {
	text, err := x.xl(ctx, "list", "-l")
	if err != nil {
		return nil, err
	}
	configs, err := parseXLConfig(text)
	if err != nil {
		return nil, err
	}
	byID := map[int]xlConfig{}
	for _, config := range configs {
		byID[config.id] = config
	}
	return byID, nil
}

func (x *xen) guest(domain xlDomain, details map[int]xlConfig) Guest {
	id := domain.uuid
	if id == "" {
		id = details[domain.id].uuid
	}
	return Guest{
		Ref: Ref{URI: x.uri, UUID: id}, Name: domain.name, Type: "xen",
		State: domain.state, Cause: domain.cause, ID: domain.id,
		MACs: details[domain.id].macs, Witness: domain.witness(), At: x.client.clock.Now(),
	}
}

// witness is the run-time id: Xen gives a new one at each start and reboot.
func (d xlDomain) witness() string { return fmt.Sprintf("domid %d", d.id) }

// find gives the domain with a UUID. The entry of a guest that reboots may
// exist twice for a moment: the newer one counts.
func (x *xen) find(ctx context.Context, id string) (xlDomain, error) {
	domains, err := x.domains(ctx)
	if err != nil {
		return xlDomain{}, err
	}
	found, err := xlDomain{}, errAbsent
	for _, domain := range domains {
		if domain.id != 0 && domain.uuid == id {
			found, err = domain, nil
		}
	}
	return found, err
}

func (x *xen) inspect(ctx context.Context, op, id string) (Guest, error) {
	what := "guest " + id
	domain, err := x.find(ctx, id)
	if errors.Is(err, errAbsent) {
		state, err := x.absent(ctx, id)
		return Guest{Ref: Ref{URI: x.uri, UUID: id}, Type: "xen", State: state, At: x.client.clock.Now()}, x.problem(op, what, err)
	}
	if err != nil {
		return Guest{}, x.problem(op, what, err)
	}
	details, err := x.details(ctx)
	if err != nil {
		return Guest{}, x.problem(op, what, err)
	}
	return x.guest(domain, details), nil
}

// absent tells Off from Saved for a guest that Xen does not have.
func (x *xen) absent(ctx context.Context, id string) (State, error) {
	saved, err := x.saved(ctx, id)
	switch {
	case err != nil:
		return Unknown, err
	case saved:
		return Saved, nil
	}
	return Off, nil
}

func (x *xen) saved(ctx context.Context, id string) (bool, error) {
	// a word in either case: a command that did not run says neither
	out, err := x.run(ctx, "sh", "-c", `if test -e "$0"; then echo saved; else echo none; fi`, saveFolder+id)
	if err != nil {
		return false, err
	}
	switch strings.TrimSpace(out) {
	case "saved":
		return true, nil
	case "none":
		return false, nil
	}
	return false, fmt.Errorf("the host's shell answered %q", out)
}

// glance looks twice before it says that a guest is gone: while a guest reboots,
// its old domain is destroyed before its new one exists.
func (x *xen) glance(ctx context.Context, op, id string) (glance, error) {
	domain, err := x.find(ctx, id)
	if errors.Is(err, errAbsent) {
		if err := x.client.clock.Sleep(ctx, pollEvery); err != nil {
			return glance{}, x.problem(op, "guest "+id, err)
		}
		domain, err = x.find(ctx, id)
	}
	if errors.Is(err, errAbsent) {
		state, err := x.absent(ctx, id)
		return glance{state: state}, x.problem(op, "guest "+id, err)
	}
	if err != nil {
		return glance{}, x.problem(op, "guest "+id, err)
	}
	return glance{state: domain.state, cause: domain.cause, witness: domain.witness()}, nil
}

func (x *xen) ask(ctx context.Context, op, id string, what verb, mode Mode) error {
	if what == verbStart {
		return x.problem(op, "guest "+id, x.start(ctx, id))
	}
	if (what == verbShutdown || what == verbReboot) && flags[mode] == 0 {
		return primitives.Errorf(primitives.Invalid, op, x.uri, "%q is no mode: acpi, agent, initctl, signal or paravirt", mode)
	}
	command := xlCommand(what, mode)
	if command == nil && what != verbManagedSave {
		return primitives.Errorf(primitives.Unsupported, op, x.uri, "guest %s: Xen has no %s", id, strings.TrimSpace(string(what)+" "+string(mode)))
	}
	domain, err := x.find(ctx, id)
	switch {
	case err != nil:
	case what == verbManagedSave:
		err = x.save(ctx, domain, id)
	default:
		_, err = x.xl(ctx, command(strconv.Itoa(domain.id))...)
	}
	return x.problem(op, "guest "+id, err)
}

// xlCommand is xl's command for a verb, nil where xl has none. Its option -F,
// which falls back from one mode to another, is not used: a mode is that mode.
func xlCommand(what verb, mode Mode) func(id string) []string {
	plain := func(word string) func(string) []string {
		return func(id string) []string { return []string{word, id} }
	}
	switch {
	case what == verbShutdown && mode == ModeParavirt:
		return plain("shutdown")
	case what == verbShutdown && mode == ModeACPI:
		return func(id string) []string { return []string{"trigger", id, "power"} }
	case what == verbReboot && mode == ModeParavirt:
		return plain("reboot")
	case what == verbDestroy:
		return plain("destroy")
	case what == verbSuspend:
		return plain("pause")
	case what == verbResume:
		return plain("unpause")
	}
	return nil
}

// save writes the image under a name that xendomains does not take, and gives
// it its own when it is whole.
func (x *xen) save(ctx context.Context, domain xlDomain, id string) error {
	part := saveFolder + "." + id + ".part"
	if _, err := x.run(ctx, "mkdir", "-p", saveFolder); err != nil {
		return err
	}
	if _, err := x.xl(ctx, "save", strconv.Itoa(domain.id), part); err != nil {
		return err
	}
	_, err := x.run(ctx, "mv", part, saveFolder+id)
	return err
}

// start resumes the saved image, else creates what /etc/xen describes. The
// image is taken out of the way first: resumed twice, it would destroy the
// guest's file systems.
func (x *xen) start(ctx context.Context, id string) error {
	if _, err := x.find(ctx, id); err == nil {
		return primitives.Errorf(primitives.Invalid, "stack.start", x.uri, "it is running")
	} else if !errors.Is(err, errAbsent) {
		return err
	}
	saved, err := x.saved(ctx, id)
	if err != nil {
		return err
	}
	if !saved {
		return x.create(ctx, id)
	}
	used := saveFolder + "." + id + ".restored"
	if _, err := x.run(ctx, "mv", saveFolder+id, used); err != nil {
		return err
	}
	if _, err := x.xl(ctx, "restore", used); err != nil {
		return fmt.Errorf("its image is now %s: %w", used, err)
	}
	_, err = x.run(ctx, "rm", "-f", used)
	return err
}

// create finds the file in /etc/xen that has the guest's UUID.
func (x *xen) create(ctx context.Context, id string) error {
	out, err := x.run(ctx, "sh", "-c", `grep -liE "^[[:space:]]*uuid[[:space:]]*=[[:space:]]*['\"]$0['\"]" /etc/xen/* || true`, id)
	if err != nil {
		return err
	}
	files := strings.Fields(out)
	if len(files) != 1 {
		return fmt.Errorf("%w: %d files in /etc/xen have uuid = \"%s\"", errAbsent, len(files), id)
	}
	_, err = x.xl(ctx, "create", "-q", files[0])
	return err
}
