// Package sim is a world of machines in memory: power states, boot and shutdown
// durations, NICs with an armed bit, bridges, hypervisors with nested guests,
// faults on demand, and a virtual clock. It gives the same interfaces as the
// real powers.
package sim
