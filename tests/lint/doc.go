// Package lint holds the rules of the house that no other tool knows. Each is a
// test, so make test keeps them too:
//
//   - luabind and primitives read the time and wait on a given clock only;
//   - imports run one way, cmd → luabind → primitives;
//   - a task of Lua waits in luabind.Wait and nowhere else;
//   - nothing is at the top of the tree that does not belong there.
package lint
