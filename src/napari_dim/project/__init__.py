"""What the annotator owns: projects, cohorts, cases, slice states, strokes.

How to use it::

    from napari_dim.project import Project, recent_projects

    project = Project.create(folder, name="atria")        # or
    project = Project.open(folder)                        # may come back read-only:
    if project.holder is not None:                        # somebody else has it
        print(project.holder)                             # "process 812 on ward-3, since …"
        if project.holder.stale:                          # ended without closing: ask, then
            project = Project.open(folder, recover=True)
    project.notes                                         # what opening had to mend, in words

    case = project.add_case(path, site="north")           # refers to the scan where it lies
    project.add_case(path, copy=True)                     # or takes a copy into the folder
    project.add_case(name="phantom")                      # or a scan that is in no file
    project.cases, project.sites, project.classes         # tuples; change them by
    project.update_case("la00", site="south")             #   …
    project.set_classes([ProjectClass(id=1, name="atrium", colour="#e69f00")])
    project.remove_case("la00")                           # moved to removed/, not deleted
    project.image_path("la00"), project.locate("la00", path)
    project.current = "la00"                              # the case that is worked on
    project.states("la00")                                # a SliceState a slice

Each of these is on the disk when it returns. Strokes go through a thread::

    project.begin("la00", "labels", array, note)          # a layer that is new, or has a new
                                                          #   shape or type
    ticket = project.put("la00", "labels", {7: plane}, {"slice": 7})
    project.acknowledged >= ticket, project.saved         # on the disk, after fsync
    project.fault                                         # why not: the disk is full, say
    project.layers("la00")                                # ("labels", "prediction")
    project.recover("la00", "labels")                     # array, note; None if there is none
    project.close()                                       # writes what waits; also `with`
"""

from napari_dim.project.local import forget_project, recent_projects, remember
from napari_dim.project.lock import Holder
from napari_dim.project.model import Case, Note, ProjectClass
from napari_dim.project.project import Project
from napari_dim.project.strokes import Recovered

__all__ = [
    "Case",
    "Holder",
    "Note",
    "Project",
    "ProjectClass",
    "Recovered",
    "forget_project",
    "recent_projects",
    "remember",
]
