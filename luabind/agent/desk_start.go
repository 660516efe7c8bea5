package agent

import (
	"context"
	"io"
	"strings"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/remote"
)

// helloWait is how long a command that claims to be an agent may take to say
// hello.
const helloWait = 20 * time.Second

// channel is a conversation with a command `ctys agent …` of another machine,
// past its hello.
type channel struct {
	process process
	from    *lineReader
	to      *lineWriter
	words   *head // its standard error
}

// process is the part of remote.Process that ends it.
type process interface {
	Wait() (exit int, err error)
	Close() error
}

func (c *channel) close() { c.process.Close() }

// finish gives a command that has nothing more to do the time to end.
func (c *channel) finish(clock primitives.Clock) {
	ctx, cancel := primitives.WithTimeout(context.Background(), clock, 2*time.Second)
	go func() {
		c.process.Wait()
		cancel()
	}()
	<-ctx.Done()
	c.close()
}

// openOverSSH starts an agent on a machine: with the ctys that its PATH has, where
// that is of our version, else with our own program, which is uploaded where it
// is not there yet.
func (d *Desk) openOverSSH(ctx context.Context, machine luabind.Machine, argv ...string) (*channel, error) {
	p := placeOf(machine)
	conn, err := d.connect(ctx, p)
	if err != nil {
		return nil, err
	}
	if program := d.program(p); program != "" {
		c, _, err := d.call(ctx, conn, program, argv)
		if c != nil || err != nil {
			return c, err
		}
	}
	c, found, err := d.call(ctx, conn, "ctys", argv)
	if c != nil || err != nil {
		return c, err
	}
	program, err := d.install(ctx, conn)
	if err != nil {
		return nil, primitives.Wrap("agent.start", machine.Name, "there is no agent of this version there ("+found+"), and ours cannot be put there", err)
	}
	c, found, err = d.call(ctx, conn, program, argv)
	if err == nil && c == nil {
		return nil, primitives.Errorf(primitives.Unsupported, "agent.start", machine.Name, "our program %s does not run there: %s", program, found)
	}
	d.remember(p, program)
	return c, err
}

func (d *Desk) program(p place) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.programs[p.key()]
}

func (d *Desk) remember(p place, program string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.programs[p.key()] = program
}

// call runs a program as an agent. Where it is none of our version, the
// channel is nil and found says what it is. An error means that the machine
// cannot be spoken to.
func (d *Desk) call(ctx context.Context, conn *remote.Conn, program string, argv []string) (c *channel, found string, err error) {
	words := &head{limit: 4 << 10}
	// The order outlives ctx for as long as its cancelling takes.
	process, err := conn.Start(context.WithoutCancel(ctx), remote.Command{Argv: append([]string{program, "agent"}, argv...), Stderr: words})
	if err != nil {
		return nil, "", err
	}
	c = &channel{process: process, from: newLineReader(process.Stdout), to: newLineWriter(process.Stdin), words: words}
	version, err := d.awaitHello(ctx, c)
	if err == nil && version == d.options.Version {
		return c, "", nil
	}
	defer c.close()
	switch {
	case ctx.Err() != nil:
		return nil, "", primitives.Wrap("agent.start", conn.Host(), "the agent was not waited for any longer", ctx.Err())
	case !isOpen(conn):
		return nil, "", primitives.Errorf(primitives.Unreachable, "agent.start", conn.Host(), "the connection was lost")
	case err == nil:
		return nil, "ctys there is " + oneLine(version), nil
	}
	c.close()
	said := oneLine(words.String())
	if said == "" {
		said = oneLine(err.Error())
	}
	return nil, said, nil
}

// awaitHello reads the first line; one that is no hello is of no agent.
func (d *Desk) awaitHello(ctx context.Context, c *channel) (version string, err error) {
	type first struct {
		message line
		err     error
	}
	ctx, cancel := primitives.WithTimeout(ctx, d.clock, helloWait)
	defer cancel()
	said := make(chan first, 1)
	go func() {
		message, err := c.from.next()
		said <- first{message, err}
	}()
	select {
	case f := <-said:
		if f.err == nil && f.message.Hello == nil {
			f.err = io.ErrUnexpectedEOF
		}
		if f.err != nil {
			return "", f.err
		}
		return f.message.Hello.Version, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// install puts our program on the machine and gives its path there.
func (d *Desk) install(ctx context.Context, conn *remote.Conn) (string, error) {
	program, size, sum, err := d.options.Executable()
	if err != nil {
		return "", primitives.Wrap("agent.install", conn.Host(), "our own program cannot be read", err)
	}
	first := program
	open := func() (io.ReadCloser, error) {
		if first != nil {
			again := first
			first = nil
			return again, nil
		}
		again, _, _, err := d.options.Executable()
		return again, err
	}
	defer func() {
		if first != nil {
			first.Close()
		}
	}()
	if len(sum) < 16 {
		return "", primitives.Errorf(primitives.Invalid, "agent.install", conn.Host(), "%q is no SHA-256", sum)
	}
	return conn.Install(ctx, open, size, sum, "ctys-"+strings.ToLower(sum[:16]))
}
